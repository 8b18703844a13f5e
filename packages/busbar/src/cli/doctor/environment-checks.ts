/** Checks before the bus is opened: Node, environment variables, and which bus is selected. */

import { didYouMean } from '@busbar/api/transport';
import { maskBusUrl, maskUrl } from '../../bus-url.ts';
import { COMMAND_VARIABLES, type LocatedBus, VARIABLES } from '../../config/locate-bus.ts';
import type { Session } from '../session.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

const LEAST = [22, 18] as const;
/** Variables of tests and builds. */
const OTHERS = /^BUSBAR_(REQUIRE|FULL|TEST|INSTALL)/;

/** Checks the version of Node. */
export function checkNode(): Finding {
  const { node } = process.versions;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  if (major > LEAST[0] || (major === LEAST[0] && minor >= LEAST[1])) return ok('node', `v${node}, ${process.platform}`);
  return fail('node', `v${node}`, `Install Node ${LEAST.join('.')} or newer.`);
}

/** Shows the variables of Busbar, and warns of misspelled ones. */
export function checkVariables({ env }: Session): Finding[] {
  const known = Object.keys(VARIABLES);
  const set = known.filter((name) => env[name] !== undefined && name !== 'MESSAGE_BUS');
  const strange = Object.keys(env).filter(
    (name) =>
      /^(BUSBAR_|MESSAGE_BUS)/.test(name) &&
      !known.includes(name) &&
      !Object.hasOwn(COMMAND_VARIABLES, name) &&
      !OTHERS.test(name),
  );
  const shown = set.map((name) => `${name}=${maskUrl(env[name] ?? '')}`).join(' ');
  const findings = strange.map((name) => {
    const hint = didYouMean(name, known).trim() || `Busbar reads ${known.join(', ')}.`;
    return warn('variables', `busbar ignores ${name}`, hint);
  });
  return shown === '' ? findings : [ok('variables', shown), ...findings];
}

/** Shows the selected bus and the origin of its name. */
export function checkLocation({ url, origin }: LocatedBus): Finding {
  const source = origin === 'default' ? 'the default' : `from ${origin}`;
  return ok('bus', `${maskBusUrl(url)} (${source})`);
}
