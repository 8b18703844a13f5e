/** Moves a bus from one backend to another. */

export { type MigratePart, type MigrateParts, openMigrate } from './migrate/follow/open-migrate.ts';
export type { MoveEnd, MoveEnds, MoveOptions, MovePlan, MoveProgress, MoveReport, MoveStep } from './migrate/move.ts';
export { moveBus, retire, rollBack } from './migrate/mover.ts';
export { planMove } from './migrate/plan.ts';
export { compareStores, type MoveStatus, moveStatus } from './migrate/status.ts';
