/** Entry `@busbar/api`: what users of a bus need. */

export type { Capabilities, Durability, Feature, Features } from './capabilities.ts';
export {
  BusbarError,
  type BusbarErrorOptions,
  ERROR_CODES,
  type ErrorCode,
  isBusbarError,
  type Outcome,
} from './errors.ts';
export type * from './message.ts';
export { matchTopic } from './names.ts';
export type * from './transport.ts';
