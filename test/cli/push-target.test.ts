/** What `longshore push` takes for a target. */
import { describe, expect, test } from "vitest";
import { parsePushTarget, shownTarget } from "../../cli/push-target.ts";

const digest = `sha256:${"a".repeat(64)}`;

describe("a target", () => {
  test.each([
    ["registry.example.com/team/app:1", "https://registry.example.com", "team/app", "1"],
    ["https://registry.example.com/team/app:1", "https://registry.example.com", "team/app", "1"],
    ["http://registry.example.com/team/app:1", "http://registry.example.com", "team/app", "1"],
    ["registry.example.com:5000/app", "https://registry.example.com:5000", "app", "latest"],
    ["registry:5000/app:1", "https://registry:5000", "app", "1"],
    [`registry.example.com/app@${digest}`, "https://registry.example.com", "app", digest],
    [`registry.example.com/app:1@${digest}`, "https://registry.example.com", "app", digest],
    ["127.0.0.1:5000/team/app:1", "http://127.0.0.1:5000", "team/app", "1"],
    ["localhost/app:1", "http://localhost", "app", "1"],
    ["[::1]:5000/app:1", "http://[::1]:5000", "app", "1"],
    ["https://localhost:5000/app:1", "https://localhost:5000", "app", "1"],
  ])("%s is at %s", (text, origin, repository, reference) => {
    const target = parsePushTarget(text);
    const named = target.reference.kind === "tag" ? target.reference.tag : target.reference.digest;
    expect([target.origin, target.repository, named]).toEqual([origin, repository, reference]);
  });

  test.each([
    ["team/app:1", "does not begin with a registry's host"],
    ["app", "does not begin with a registry's host"],
    ["", "does not begin with a registry's host"],
    ["ftp://registry.example.com/app", "does not begin with a registry's host"],
    ["user@registry.example.com/app", "does not begin with a registry's host"],
    ["https://user:word@registry.example.com/app", "does not begin with a registry's host"],
    ["registry.example.com#.test/app", "does not begin with a registry's host"],
    ["other?.example.com/app", "does not begin with a registry's host"],
    ["registry.example.com\\.test/app", "does not begin with a registry's host"],
    ["registry.example.com", "names no repository"],
    ["registry.example.com/", "names no repository"],
    ["registry.example.com/Team/app", "Team/app is no repository name"],
    ["registry.example.com/app:", " is neither a tag nor a digest"],
    ["registry.example.com/app:a b", "a b is neither a tag nor a digest"],
    ["registry.example.com/app@sha256:1", "sha256:1 is neither a tag nor a digest"],
  ])("%s is none", (text, message) => {
    expect(() => parsePushTarget(text)).toThrow(message);
  });

  test("with a password is not repeated in the error", () => {
    expect(() => parsePushTarget("https://user:a-secret@registry.example.com/app")).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("a-secret") as string }),
    );
  });

  test("is http with --plain-http, which https:// does not go with", () => {
    const { origin } = parsePushTarget("registry.example.com/app", { plainHttp: true });
    expect(origin).toBe("http://registry.example.com");
    expect(() => parsePushTarget("https://a.example/app", { plainHttp: true })).toThrow(
      "leave one of them out",
    );
  });

  test.each(["registry.example.com/team/app:1", `registry.example.com/app@${digest}`])(
    "%s is shown as it was written",
    (text) => {
      expect(shownTarget(parsePushTarget(text))).toBe(text);
    },
  );
});
