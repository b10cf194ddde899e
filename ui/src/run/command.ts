// The command lines that a page offers to copy, quoted for a POSIX shell.

export type RetryMode = "failure" | "from" | "changed" | "parameters" | "scratch";

export function retryCommand(runId: string, mode: RetryMode, taskRunId: string, parameters: string): string {
  const command = `dalsegno flow-run retry ${runId}`;
  switch (mode) {
    case "failure":
      return command;
    case "from":
      return `${command} --from ${quoted(taskRunId)}`;
    case "changed":
      return `${command} --changed`;
    case "scratch":
      return `${command} --scratch`;
    case "parameters":
      return `${command} --params ${quoted(JSON.stringify(JSON.parse(parameters)))}`;
  }
}

export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}
