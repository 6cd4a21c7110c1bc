import { describe, expect, test } from "vitest";
import { isUserName, parseHtpasswd } from "../../schemas/user.ts";

const salted = "abcdefghijklmnopqrstuuWd6Z5Z0Z2oQ9kF0n5lN0JzV5x3v4mFe";
const hash = `$2y$05$${salted}`;

/** The names of the users, and what is refused. */
function read(text: string): { names: string[]; problems: string[] } {
  const problems: string[] = [];
  const users = parseHtpasswd(text, (problem) => problems.push(problem));
  return { names: users.map(({ name }) => name), problems };
}

test("a line of htpasswd -B is a user who may push", () => {
  expect(parseHtpasswd(`alice:${hash}\n`, () => undefined)).toEqual([
    { name: "alice", password: { kind: "bcrypt", hash }, readonly: false },
  ]);
});

describe("a user", () => {
  test.each([
    ["Apache's hash", `alice:${hash}`],
    ["an old hash", `alice:$2a$10$${salted}`],
    ["another program's hash", `alice:$2b$12$${salted}`],
    ["the least cost", `alice:$2y$04$${salted}`],
    ["the greatest cost", `alice:$2y$31$${salted}`],
    ["a file of Windows", `alice:${hash}\r\n`],
    ["no line break at the end", `\nalice:${hash}`],
    ["space around", `  alice:${hash}\t`],
    ["a byte order mark", `\uFEFFalice:${hash}\n`],
    ["comments and empty lines", `# ours\r\n\r\n   # more\nalice:${hash}\n\n#bob:${hash}`],
  ])("is read with %s", (_, text) => {
    expect(read(text)).toEqual({ names: ["alice"], problems: [] });
  });

  test.each([
    ["an address", "alice@example.com"],
    ["a domain", "EXAMPLE\\alice"],
    ["signs", "a.l-i_c+e/$&"],
    ["letters of others", "alïce"],
    ["a number sign within", "a#1"],
  ])("may be called by %s", (_, name) => {
    expect(read(`${name}:${hash}`)).toEqual({ names: [name], problems: [] });
  });
});

test("users are read in their order, those that are there twice too", () => {
  const { names } = read(`bob:${hash}\nalice:${hash}\r\nbob:${hash}\nanonymous:${hash}\n`);
  expect(names).toEqual(["bob", "alice", "bob", "anonymous"]);
});

describe("a line is refused by its number, and nothing of it is told,", () => {
  test.each([
    ["for MD5 of Apache", "alice:$apr1$Kp7Zq4wX$q1B0uVnV3Ue8b1jzE9QyS/"],
    ["for MD5", "alice:$1$Kp7Zq4wX$q1B0uVnV3Ue8b1jzE9QyS/"],
    ["for SHA-1", "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="],
    ["for crypt", "alice:rl5FQpPp0PzYE"],
    ["for SHA-256", "alice:$5$Kp7Zq4wX$q1B0uVnV3Ue8b1jzE9QyS"],
    ["for SHA-512", "alice:$6$Kp7Zq4wX$q1B0uVnV3Ue8b1jzE9QyS"],
    ["for a plain password", "alice:correct-horse"],
    ["for another bcrypt", `alice:$2x$05$${salted}`],
    ["for bcrypt without a letter", `alice:$2$05$${salted}`],
    ["for a cost too low", `alice:$2y$03$${salted}`],
    ["for a cost too high", `alice:$2y$32$${salted}`],
    ["for a cost of one digit", `alice:$2y$5$${salted}`],
    ["for a hash cut short", `alice:${hash.slice(0, -1)}`],
    ["for a hash too long", `alice:${hash}e`],
    ["for a hash with a sign that none has", `alice:${hash.slice(0, -1)}+`],
    ["for a third field", `alice:${hash}:group`],
    ["for a colon in the name", `ali:ce:${hash}`],
    ["for a space in the name", `ali ce:${hash}`],
    ["for a space before the hash", `alice: ${hash}`],
    ["for a comment behind it", `alice:${hash} # ours`],
    ["for no name", `:${hash}`],
    ["for no hash", "alice:"],
    ["for no colon", "alice"],
    ["for a hash alone", hash],
  ])("%s", (_, line) => {
    const { names, problems } = read(`bob:${hash}\r\n# ours\r\n${line}\r\ncarol:${hash}\r\n`);
    expect(names).toEqual(["bob", "carol"]);
    expect(problems).toEqual(["line 3 is not <user>:<bcrypt hash>: make it with htpasswd -B"]);
  });

  test("and so is each of several", () => {
    const { problems } = read(`a:b\nbob:${hash}\nc:d`);
    expect(problems.map((problem) => problem.slice(0, 7))).toEqual(["line 1 ", "line 3 "]);
  });
});

describe("a name", () => {
  test.each([["alice"], ["a"], ["alice@example.com"], ["Anonymous"], ["*"], ["é"], ["group"]])(
    "%j is one",
    (name) => {
      expect(isUserName(name)).toBe(true);
    },
  );

  test.each([[""], ["anonymous"], ["a:b"], ["group:a"], ["a b"], [" a"], ["a\n"], ["a\tb"], [" "]])(
    "%j is none",
    (name) => {
      expect(isUserName(name)).toBe(false);
    },
  );
});
