// The command line: the only file that touches arguments and exit codes.

/** Runs one command and resolves to the exit status. */
export async function main(argv: string[]): Promise<number> {
  const help = argv.length === 0 || argv.includes('--help');
  process.stdout.write('usage: busbar <command> [arguments]\n');
  return help ? 0 : 2;
}
