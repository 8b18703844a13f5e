/** Entry `@busbar/otel`: OpenTelemetry for a bus. */

export { type InstrumentOptions, instrument } from './instrument.ts';
