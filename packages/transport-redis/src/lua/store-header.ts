/** The store header of a namespace, the hash `header`: written when it is missing. */

import { Library, type Script } from './script.ts';

export const HEADER: Library = new Library(`
local function writeHeader(format, storeId, incarnation, gate)
  local fields = { format = format, ['store-id'] = storeId, incarnation = incarnation, gate = gate }
  for field, value in pairs(fields) do call('HSETNX', ns .. 'header', field, value) end
end
`);

/** ARGV: format, store id, incarnation, gate of a new namespace. Returns the store id of the namespace. */
export const OPEN_STORE: Script = HEADER.allowOom(`
writeHeader(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return call('HGET', ns .. 'header', 'store-id')
`);
