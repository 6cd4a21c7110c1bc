/**
 * Ends with 0 if the registry that this environment starts is alive, else with 1: for a container's
 * HEALTHCHECK. Of the environment it needs what says where the registry listens, with a port.
 */
import { checkAlive, parseListening } from "./listening.ts";

const timeoutMs = 5000;

try {
  await checkAlive(parseListening(process.env).listening, timeoutMs);
} catch (error) {
  console.error(`longshore: ${String(error)}`);
  process.exit(1);
}
