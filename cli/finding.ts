/** One thing that was looked at, and the command that mends it where something is wrong. */
export type Finding =
  | { readonly state: "right"; readonly text: string }
  | { readonly state: "warning" | "wrong"; readonly text: string; readonly mend: string };

/** The lines that tell of a finding. */
export function findingLines(finding: Finding): readonly string[] {
  const line = `  ${finding.state.padEnd(7)}  ${finding.text}`;
  return finding.state === "right" ? [line] : [line, `           mend: ${finding.mend}`];
}
