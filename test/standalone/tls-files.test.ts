import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseSettings, type Settings, WrongSetting } from "../../standalone/settings.ts";
import { Authority, type KeyKind, keyKinds, openssl } from "./certificates.ts";

const folder = mkdtempSync(join(tmpdir(), "longshore-tls-"));
const root = new Authority(folder);
const own = root.sign("own");
const other = root.sign("other");

afterAll(() => rmSync(folder, { recursive: true }));

function settingsOf(certificate: string, key: string): Settings {
  return parseSettings({
    REGISTRY_STORAGE_PATH: join(folder, "data"),
    REGISTRY_TLS_CERT: certificate,
    REGISTRY_TLS_KEY: key,
  });
}

/** What a start is refused for. */
function refusalOf(certificate: string, key: string): string {
  try {
    settingsOf(certificate, key);
  } catch (error) {
    if (error instanceof WrongSetting) return error.message;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** A file of this content; its path. */
function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("a certificate and its key", () => {
  test("are taken by their paths, from the folder that the registry starts in", () => {
    const { tls, listening } = settingsOf(
      relative(process.cwd(), own.certificate),
      relative(process.cwd(), own.key),
    );
    expect(tls).toMatchObject({ certificatePath: own.certificate, keyPath: own.key });
    expect(listening.scheme).toBe("https");
  });

  test("are none where both variables are empty", () => {
    const { tls, listening } = settingsOf("", "");
    expect(tls).toBeUndefined();
    expect(listening.scheme).toBe("http");
  });

  test("are taken from one file that has both", () => {
    const both = file(
      "both",
      readFileSync(own.certificate, "utf8") + readFileSync(own.key, "utf8"),
    );
    expect(settingsOf(both, both).tls).toMatchObject({ certificatePath: both, keyPath: both });
  });

  test("tell when the certificate expires", () => {
    const days = (settingsOf(own.certificate, own.key).tls?.expiresMs ?? 0) - Date.now();
    expect(Math.round(days / 3_600_000)).toBe(24);
  });

  test.each<KeyKind>(["RSA of 1024 bits", "RSA-PSS", "P-521"])(
    "are refused with %s, which the runtime does not serve",
    (kind) => {
      const pair = root.sign(`small-${Object.keys(keyKinds).indexOf(kind)}`, kind);
      expect(refusalOf(pair.certificate, pair.key)).toBe(
        `REGISTRY_TLS_KEY is "${pair.key}", a key of a kind that is not served; allowed is RSA of ` +
          `2048 to 4096 bits, P-256, P-384 or Ed25519`,
      );
    },
  );
});

const encrypted = join(folder, "encrypted");
openssl("pkey", "-in", own.key, "-aes256", "-passout", "pass:secret", "-out", encrypted);
const cut = file(
  "cut",
  readFileSync(own.certificate, "utf8").replace(/.{20}\n-----END/, "\n-----END"),
);
const badIssuer = file(
  "bad-issuer",
  `${readFileSync(own.certificate, "utf8")}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
);
const wrongOrder = file("wrong-order", root.pem() + readFileSync(own.certificate, "utf8"));
const missing = join(folder, "no");

test.each<[what: string, certificate: string, key: string, refusal: RegExp]>([
  [
    "no key",
    own.certificate,
    "",
    /^REGISTRY_TLS_CERT is set and REGISTRY_TLS_KEY is not: set both/,
  ],
  [
    "no certificate",
    "",
    own.key,
    /^REGISTRY_TLS_KEY is set and REGISTRY_TLS_CERT is not: set both/,
  ],
  [
    "no file of the certificate",
    missing,
    own.key,
    /^REGISTRY_TLS_CERT is ".*\/no", no file that can be read: ENOENT$/,
  ],
  [
    "no file of the key",
    own.certificate,
    missing,
    /^REGISTRY_TLS_KEY is ".*\/no", no file that can be read: ENOENT$/,
  ],
  [
    "neither file",
    missing,
    folder,
    /^REGISTRY_TLS_CERT is ".*ENOENT\nREGISTRY_TLS_KEY is ".*", no file that can be read: EISDIR$/,
  ],
  [
    "a key for the certificate",
    own.key,
    own.key,
    /^REGISTRY_TLS_CERT is ".*", a file without a cert/,
  ],
  ["a certificate that is cut", cut, own.key, /^REGISTRY_TLS_CERT is ".*", a file without a cert/],
  [
    "an issuer that is none",
    badIssuer,
    own.key,
    /^REGISTRY_TLS_CERT is ".*", a file without a cert/,
  ],
  [
    "a key itself, in base64",
    own.certificate,
    readFileSync(own.key).toString("base64"),
    /^REGISTRY_TLS_KEY is \(not shown\), no file/,
  ],
  [
    "a certificate for the key",
    own.certificate,
    own.certificate,
    /^REGISTRY_TLS_KEY is ".*", a file without a priv/,
  ],
  [
    "a key with a passphrase",
    own.certificate,
    encrypted,
    /^REGISTRY_TLS_KEY is ".*passphrase.*openssl pkey/,
  ],
  [
    "another's key",
    own.certificate,
    other.key,
    /^REGISTRY_TLS_KEY is ".*", which is not the key of the first certificate in REGISTRY_TLS_CERT/,
  ],
  [
    "the issuer's certificate first",
    wrongOrder,
    own.key,
    /^REGISTRY_TLS_KEY is ".*before those of its/,
  ],
])("%s is refused, with what to do", (_what, certificate, key, refusal) => {
  expect(refusalOf(certificate, key)).toMatch(refusal);
});

test("a key in the place of its path is not told", () => {
  const pem = readFileSync(own.key, "utf8");
  expect(refusalOf(own.certificate, pem)).toBe(
    "REGISTRY_TLS_KEY has PEM itself; allowed is the path of its file",
  );
});
