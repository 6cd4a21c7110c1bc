/** What prom-client takes of Node's `util` (see bundle.ts). */
export { format, inspect } from "node:util";
