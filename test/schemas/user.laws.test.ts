import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseHtpasswd } from "../../schemas/user.ts";
import { nearly, tries } from "./laws.ts";

const names = fc.stringMatching(/^[a-zA-Z0-9@.+_-]{1,12}$/);
const hashes = fc.stringMatching(/^\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$/);
const lines = fc.tuple(names, hashes).map(([name, hash]) => `${name}:${hash}`);

test("users that are written are read as they were, in files of Windows too", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(names, hashes)),
      fc.constantFrom("\n", "\r\n", "\n\n", "\n# a comment\r\n"),
      (list, end) => {
        const text = list.map(([name, hash]) => `${name}:${hash}${end}`).join("");
        const users = parseHtpasswd(text, (problem) => expect.unreachable(problem));
        expect(users).toEqual(
          list.map(([name, hash]) => ({
            name,
            password: { kind: "bcrypt", hash },
            readonly: false,
          })),
        );
      },
    ),
    tries,
  );
});

test("each line is a user, or nothing, or refused by its number alone", () => {
  fc.assert(
    fc.property(fc.array(nearly(lines), { maxLength: 4 }), (list) => {
      const problems: string[] = [];
      const all = list.join("\n").split("\n");
      const users = parseHtpasswd(all.join("\n"), (problem) => problems.push(problem));
      const meant = all.filter((line) => line.trim() !== "" && !line.trim().startsWith("#"));
      expect(users.length + problems.length).toBe(meant.length);
      for (const problem of problems) {
        expect(problem).toMatch(/^line \d+ is not <user>:<bcrypt hash>: make it with htpasswd -B$/);
      }
    }),
    tries,
  );
});
