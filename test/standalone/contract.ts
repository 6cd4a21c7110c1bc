/**
 * What is asked of a bucket, a namespace and a cache, as a table of questions that a Worker answers
 * and the answers that are right: the same ones from Cloudflare's own simulators and from what one
 * machine puts in their place. Each question has keys of its own, so that their order is of no matter.
 */
import { cacheQuestions } from "./cache-contract.ts";
import type { Question, Stores } from "./contract-question.ts";
import { kvQuestions } from "./kv-contract.ts";
import { listQuestions } from "./list-contract.ts";
import { multipartQuestions } from "./multipart-contract.ts";
import { objectQuestions } from "./object-contract.ts";
import { rangeQuestions } from "./range-contract.ts";

export const questions: readonly Question[] = [
  ...[...objectQuestions, ...rangeQuestions, ...multipartQuestions, ...listQuestions].map(
    (question) => ({
      ...question,
      name: `bucket: ${question.name}`,
    }),
  ),
  ...kvQuestions.map((question) => ({ ...question, name: `namespace: ${question.name}` })),
  ...cacheQuestions.map((question) => ({ ...question, name: `cache: ${question.name}` })),
];

/** Answers the question that the request's path names by its number in the table. */
export async function answer(request: Request, stores: Stores): Promise<Response> {
  const question = questions[Number(new URL(request.url).pathname.slice(1))];
  if (question === undefined) return new Response(null, { status: 404 });
  try {
    return Response.json((await question.ask(stores)) ?? null);
  } catch (error) {
    return Response.json({ threw: String(error) });
  }
}
