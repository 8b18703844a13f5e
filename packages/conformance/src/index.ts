/** Entry `@busbar/conformance`: the suite as data, and a runner without a framework. */

export {
  type CaseResult,
  type ConformanceCase,
  GROUPS,
  type Group,
  type Level,
  type Power,
  PROFILES,
  type Profile,
  type Status,
} from './case.ts';
export { CATALOGUE, type CatalogueEntry } from './catalogue.ts';
export { Check, CheckFailed } from './check.ts';
export { CLUSTER } from './cluster.ts';
export type {
  Harness,
  HarnessServer,
  HarnessStore,
  Opener,
  StoreNeeds,
  Stranger,
  StrangerKind,
  Wire,
} from './harness.ts';
export type { Lab } from './lab.ts';
export { toMarkdown, withMatrix } from './matrix.ts';
export type { Confinement } from './processes/confinement.ts';
export type { Load, RemoteClient } from './processes/remote-client.ts';
export { Recorder, type Seen } from './recorder.ts';
export { type Report, toReport } from './report.ts';
export { type RunOptions, runSuite, type SuiteRun } from './run.ts';
export { type RunCaseOptions, runCase } from './run-case.ts';
export { checkCases, SUITE } from './suite.ts';
export { summarize } from './summary.ts';
export { type UrlHarnessOptions, urlHarness } from './url-harness.ts';
