import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  formatScope,
  isGranted,
  parseAccessClaim,
  parseScopes,
  type Scope,
} from "../../schemas/scope.ts";
import { nearly, tries } from "./laws.ts";

const scopes: fc.Arbitrary<Scope> = fc.record({
  type: fc.constantFrom("repository", "registry", "plugin2"),
  name: fc.stringMatching(/^[a-z0-9/_.:-]{1,20}$/),
  actions: fc.uniqueArray(fc.constantFrom("pull", "push", "delete", "create", "*"), {
    minLength: 1,
  }),
});

const single = ({ type, name, actions }: Scope): string[] =>
  actions.map((action) => JSON.stringify([type, name, action]));

test("a scope that is written is read as it was", () => {
  fc.assert(
    fc.property(scopes, (scope) => {
      expect(parseScopes([formatScope(scope)])).toEqual([scope]);
    }),
    tries,
  );
});

test("scopes that are written are read as the same actions, each resource once", () => {
  fc.assert(
    fc.property(fc.array(scopes, { maxLength: 6 }), fc.boolean(), (list, inOneText) => {
      const texts = list.map(formatScope);
      const read = parseScopes(inOneText ? [texts.join(" ")] : texts);
      expect(new Set(read.flatMap(single))).toEqual(new Set(list.flatMap(single)));
      const resources = read.map(({ type, name }) => `${type}:${name}`);
      expect(new Set(resources).size).toBe(resources.length);
    }),
    tries,
  );
});

test("what is read is written so that it is read again", () => {
  fc.assert(
    fc.property(nearly(scopes.map(formatScope)), (text) => {
      const read = parseScopes([text]);
      expect(parseScopes(read.map(formatScope))).toEqual(read);
    }),
    tries,
  );
});

test("scopes allow each of their own actions, and no more when one is added that is another's", () => {
  fc.assert(
    fc.property(fc.array(scopes, { maxLength: 6 }), scopes, (list, other) => {
      for (const scope of list) expect(isGranted(list, scope)).toBe(true);
      const held = new Set(list.flatMap(single));
      const isHeld = other.actions.every(
        (action) =>
          held.has(JSON.stringify([other.type, other.name, action])) ||
          held.has(JSON.stringify([other.type, other.name, "*"])),
      );
      expect(isGranted(list, other)).toBe(isHeld);
    }),
    tries,
  );
});

test("a claim of scopes is read as they are, and any other as scopes or nothing", () => {
  fc.assert(
    fc.property(fc.array(scopes), fc.anything(), (list, other) => {
      expect(parseAccessClaim(structuredClone(list))).toEqual(list);
      for (const { type, name, actions } of parseAccessClaim([other].flat())) {
        expect([typeof type, typeof name]).toEqual(["string", "string"]);
        expect(actions.every((action) => typeof action === "string")).toBe(true);
      }
    }),
    tries,
  );
});
