// The review pipeline on SQLite, with a reviewer that is killed.
import { test } from 'vitest';
import { runPipeline } from './review-pipeline.ts';

test('each file is reviewed once on sqlite', { timeout: 200_000 }, () => runPipeline({ url: 'sqlite:$/bus.db' }));
