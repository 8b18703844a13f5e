/** Verbs with actions, such as `busbar task add`. */

import { invalid, quote } from '@busbar/api/transport';
import { didYouMean } from '../../did-you-mean.ts';

/** The function behind an action. Throws INVALID_ARGUMENT with the list for an unknown one. */
export function selectAction<F>(actions: Readonly<Record<string, F>>, name = ''): F {
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action !== undefined) return action;
  const names = Object.keys(actions);
  throw invalid(`unknown action ${quote(name)}`, `${didYouMean(name, names)}The actions are ${names.join(', ')}.`);
}
