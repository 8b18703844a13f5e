/** Transports made of transports: hybrids, a bus that moves to another backend, and a bridge between two. */

export { type BridgeOptions, bridgeStores } from './bridge/bridge.ts';
export type { BridgeProgress } from './bridge/progress.ts';
export { removeBridge } from './bridge/remove-bridge.ts';
export { type HybridPart, type HybridParts, openHybrid } from './hybrid/open-hybrid.ts';
export { type HybridOptions, parseHybridQuery } from './hybrid/options.ts';
export { type MigratePart, type MigrateParts, openMigrate } from './migrate/follow/open-migrate.ts';
export type { MoveOptions, MovePlan, MoveProgress, MoveReport, MoveStep } from './migrate/move.ts';
export { moveBus, retire, rollBack } from './migrate/mover.ts';
export { planMove } from './migrate/plan.ts';
export { compareStores, type MoveStatus, moveStatus } from './migrate/status.ts';
export type { StoreEnd, StoreEnds } from './store-end.ts';
