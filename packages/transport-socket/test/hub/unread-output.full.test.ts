// A client that reads nothing of what it asked for.
import { waitFor } from '@busbar/testbed';
import { FRAME, frame } from '@busbar/wire';
import { test } from 'vitest';
import { RawPeer } from '../support/raw-peer.ts';
import { startHub } from '../support/running-hub.ts';

test('unread output is limited, and the client is disconnected', { timeout: 40_000 }, async () => {
  await using hub = await startHub('memory:');
  await using peer = await RawPeer.welcomed(hub.path);
  await peer.request(1, { op: 'kv.put', key: 'big' }, [Buffer.alloc(65_536)]);
  peer.socket.pause();
  const gets = Array.from({ length: 2_000 }, (_, index) =>
    frame(FRAME.request, index + 10, { op: 'kv.get', key: 'big' }),
  );
  peer.send(...gets);
  await waitFor(() => hub.child.stderr.includes('takes nothing'), {
    what: 'the hub to disconnect it',
    timeoutMs: 35_000,
  });
  peer.socket.resume();
});
