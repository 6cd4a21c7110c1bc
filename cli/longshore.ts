#!/usr/bin/env node
/** `npx longshore`: deployments, and pushes through an edge that limits bodies. */
import { Command, CommanderError } from "commander";
import { doctorCommand } from "./doctor.ts";
import { CommandError, exitCodes } from "./exit-codes.ts";
import { printable } from "./printable.ts";
import { proxyCommand } from "./proxy.ts";
import { pushCommand } from "./push.ts";
import { setupCommand } from "./setup.ts";
import { smokeCommand } from "./smoke.ts";
import { teardownCommand } from "./teardown.ts";

const program = new Command("longshore")
  .description(
    "Deploys the Longshore registry, and pushes to it through an edge that limits bodies.",
  )
  .exitOverride()
  .showHelpAfterError("(longshore --help shows what there is)");
program.addCommand(setupCommand());
program.addCommand(doctorCommand());
program.addCommand(smokeCommand());
program.addCommand(teardownCommand());
program.addCommand(pushCommand());
program.addCommand(proxyCommand());
// Commands that are added whole do not take it over by themselves.
for (const command of program.commands) command.copyInheritedSettings(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  } else if (error instanceof CommandError) {
    process.stderr.write(`longshore: ${printable(error.message)}\n`);
    process.exitCode = exitCodes.failed;
  } else {
    throw error;
  }
}
