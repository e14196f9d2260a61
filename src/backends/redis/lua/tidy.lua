-- SPDX-License-Identifier: MIT
-- Some more of what is left to do: claims to be opened, dead sessions to be reaped.
-- KEYS    those of space.lua
-- ARGV    1 lease (µs)
-- Answer  {µs until the next session expires or -1, 1 or 2: more to do}
--@include space.lua
start(tonumber(ARGV[1]))
resume()
reap()
local more = finish()
return { next_expiry(), more }
