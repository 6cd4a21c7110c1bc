import { type Question, failure } from "./contract-question.ts";

/** What is asked of a cache. */
export const cacheQuestions: readonly Question[] = [
  {
    name: "a cached response is served until it is deleted, by its own cache only",
    ask: async () => {
      const cache = await caches.open("links");
      const url = "https://links.example/a?b=c";
      const headers = { "cache-control": "public, max-age=60", "content-type": "x/y", etag: `"1"` };
      await cache.put(url, new Response("body\r\n\r\nmore", { status: 203, headers }));
      const match = await cache.match(url);
      const other = await caches.open("other");
      return [
        match?.status,
        match?.headers.get("content-type"),
        match?.headers.get("etag"),
        match?.headers.get("cf-cache-status"),
        await match?.text(),
        (await other.match(url)) ?? null,
        (await cache.match("https://links.example/a")) ?? null,
        await cache.delete(url),
        await cache.delete(url),
        (await cache.match(url)) ?? null,
      ];
    },
    answer: [203, "x/y", `"1"`, "HIT", "body\r\n\r\nmore", null, null, true, false, null],
  },
  {
    name: "a response that may not be kept is not kept",
    ask: async () => {
      const cache = await caches.open("links");
      const kept: boolean[] = [];
      for (const control of ["no-store", "max-age=0", "private, max-age=60"]) {
        const url = `https://links.example/not/${encodeURIComponent(control)}`;
        const headers = { "cache-control": control };
        await failure(cache.put(url, new Response("a", { headers })));
        kept.push((await cache.match(url)) !== undefined);
      }
      return kept;
    },
    answer: [false, false, false],
  },
];
