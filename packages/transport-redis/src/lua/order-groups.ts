/** Library: messages with the same ordering key form a group; only the first message of a group can be ready. */

export const ORDER_GROUPS = `
local function hasGroups(queue)
  if queue.hasGroups == nil then queue.hasGroups = call('EXISTS', ns .. 'order-groups:' .. queue.name) == 1 end
  return queue.hasGroups
end

local function firstOfGroup(name, orderingKey)
  local range = { '[' .. orderingKey .. '\\n', '(' .. orderingKey .. '\\n\\255' }
  return call('ZRANGE', ns .. 'order-groups:' .. name, range[1], range[2], 'BYLEX', 'LIMIT', 0, 1)[1]
end

-- Returns whether the message is the first of its ordering key.
local function appendToGroup(queue, key, orderingKey, sequence)
  local member = orderingKey .. '\\n' .. string.format('%016.0f', sequence) .. '\\n' .. key
  call('ZADD', ns .. 'order-groups:' .. queue.name, 0, member)
  call('HSET', ns .. 'order-member:' .. queue.name, key, member)
  queue.hasGroups = true
  return firstOfGroup(queue.name, orderingKey) == member
end

local function isFirstOfGroup(queue, key)
  local member = call('HGET', ns .. 'order-member:' .. queue.name, key)
  if not member then return true end
  return firstOfGroup(queue.name, string.match(member, '^([^\\n]*)\\n')) == member
end

-- Removes a message from its group; the next message of the group becomes ready.
local function removeFromGroup(queue, key)
  if not hasGroups(queue) then return end
  local name = queue.name
  local member = call('HGET', ns .. 'order-member:' .. name, key)
  if not member then return end
  call('HDEL', ns .. 'order-member:' .. name, key)
  call('ZREM', ns .. 'order-groups:' .. name, member)
  local following = firstOfGroup(name, string.match(member, '^([^\\n]*)\\n'))
  if not following then return end
  local nextKey = string.match(following, '^[^\\n]*\\n%d+\\n(.*)$')
  local score = call('ZSCORE', ns .. 'blocked:' .. name, nextKey)
  if not score then return end
  call('ZREM', ns .. 'blocked:' .. name, nextKey)
  call('ZADD', ns .. 'ready:' .. name, score, nextKey)
  queue.freed = queue.freed + 1
end
`;
