/** Bodies of the proxy's clients that stop. */
import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ClientBody } from "../../cli/proxy/client-body.ts";

const server = createServer();

beforeEach(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await once(server, "close");
});

/** A request that announces ten bytes and sends three. */
async function stalled(): Promise<IncomingMessage> {
  const { port } = server.address() as AddressInfo;
  const arrived = once(server, "request") as Promise<[IncomingMessage]>;
  const headers = { "content-length": "10" };
  const client = request({ host: "127.0.0.1", port, method: "PATCH", headers });
  client.on("error", () => undefined);
  client.write("abc");
  const [incoming] = await arrived;
  return incoming;
}

test("a body that stops is broken off, with what it had", async () => {
  const pieces: string[] = [];
  const read = async () => {
    for await (const piece of new ClientBody(await stalled(), 50)) pieces.push(String(piece));
  };
  await expect(read()).rejects.toThrow("the client has sent nothing for 0.05 s");
  expect(pieces).toEqual(["abc"]);
});

test("a body that is not asked for more is not", async () => {
  const incoming = await stalled();
  const pieces = new ClientBody(incoming, 50)[Symbol.asyncIterator]();
  await pieces.next();
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, 200);
  await promise;
  expect(incoming.destroyed).toBe(false);
});
