/** Transports made of transports: audits, hybrids, a bus that moves to another backend, and a bridge between two. */

export { type LogContents, type LogGap, type LogRecord, type ReadLogOptions, readLog } from './audit/log-reader.ts';
export { type AuditPart, type AuditParts, openAudit } from './audit/open-audit.ts';
export { type AuditOptions, parseAuditOptions } from './audit/options.ts';
export { sentAt, type Trail, threadOf, trailsOf } from './audit/trail.ts';
export { type BridgeOptions, bridgeStores } from './bridge/bridge.ts';
export type { BridgeProgress } from './bridge/progress.ts';
export { removeBridge } from './bridge/remove-bridge.ts';
export { type HybridPart, type HybridParts, openHybrid } from './hybrid/open-hybrid.ts';
export { type HybridOptions, parseHybridQuery } from './hybrid/options.ts';
export type { StoreContents } from './migrate/contents.ts';
export { type MigratePart, type MigrateParts, openMigrate } from './migrate/follow/open-migrate.ts';
export type {
  MoveEstimate,
  MoveOptions,
  MovePlan,
  MoveProgress,
  MoveReport,
  MoveStep,
  RecordCounts,
} from './migrate/move.ts';
export { moveBus, retire, rollBack } from './migrate/mover.ts';
export { planMove } from './migrate/plan.ts';
export { compareStores, type EndStatus, type MoveStatus, moveStatus, type StepStatus } from './migrate/status.ts';
export type { StoreEnd, StoreEnds } from './store-end.ts';
