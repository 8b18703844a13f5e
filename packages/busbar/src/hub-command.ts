/** The program that runs the hubs which a process starts. */

import { invalid } from '@busbar/api/transport';

/** A program that takes the arguments of the command `busbar`. */
export interface HubCommand {
  /** The program, such as `busbar` or `process.execPath`. */
  readonly command: string;
  /** Arguments before those of the command, such as the path of `busbar.js`. Default: none. */
  readonly args?: readonly string[] | undefined;
}

/** Throws INVALID_ARGUMENT for a value that names no program. */
export function checkHubCommand(hub: HubCommand | false | undefined): void {
  if (hub === undefined || hub === false) return;
  const { command, args = [] } = hub ?? {};
  const isText = (value: unknown): boolean => typeof value === 'string' && !value.includes('\0');
  if (isText(command) && command !== '' && Array.isArray(args) && args.every(isText)) return;
  throw invalid(
    'the option hub must name a program',
    "Write { command: 'busbar' }; args: ['…'] come before its own arguments.",
  );
}
