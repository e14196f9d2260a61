-- SPDX-License-Identifier: MIT
-- Gives a lock back, or takes a waiting request out of the line. What it stood in the way of is let in.
-- KEYS    those of space.lua
-- ARGV    1 session · 2 id · 3 lease (µs) · 4 modes · 5 'r' id · 6… 'n' path
-- Answer  0 there was no such request · 1 done · 2 done, and there is more to do
local call, byte, pack, unpack_, args = redis.call, string.byte, struct.pack, struct.unpack, ARGV
do
  local v = call('HMGET', KEYS[1], unpack(args, 5))
  local record = v[1]
  if not record then return 0 end
  local session, modes = args[1], args[4]
  local own = session .. '\0'
  if string.sub(record, 18, 17 + #own) ~= own then return 0 end
  -- The fast path: it holds, in the modes that its owner knows, and nobody waits at any of its nodes.
  local known = own .. modes .. '\0'
  if byte(record) == 43 and string.sub(record, 18, 17 + #known) == known then
    local gone, kept = 1, 0
    local del, set = { args[5], '', '', '', '', '', '', '' }, { '', '', '', '', '', '', '', '' }
    for i = 6, #args do
      local packed, m = v[i - 4], byte(modes, i - 5)
      if not packed or #packed ~= 20 then gone = 0 break end
      local is, ix, s, six, x = unpack_('<I4I4I4I4I4', packed)
      if m == 50 then ix = ix - 1 elseif m == 53 then x = x - 1 elseif m == 49 then is = is - 1 elseif m == 51 then s = s - 1 else six = six - 1 end
      if is + ix + s + six + x == 0 then
        gone = gone + 1
        del[gone] = args[i]
      else
        set[kept + 1], set[kept + 2] = args[i], pack('<I4I4I4I4I4', is, ix, s, six, x)
        kept = kept + 2
      end
    end
    if gone > 0 then
      call('HDEL', KEYS[1], unpack(del, 1, gone))
      if kept > 0 then call('HSET', KEYS[1], unpack(set, 1, kept)) end
      call('ZREM', KEYS[2], own .. args[2])
      return 1
    end
  end
end
--@include space.lua
start(tonumber(ARGV[3]))
resume()
local r = request(ARGV[2])
if r then leave(ARGV[2], r) end
return finish()
