-- Leases permits of one allowance. KEYS: the allowance; since when this Redis knows anything.
-- ARGV: count in a span, milliseconds of a slot, slots of a span, wanted, given back, and of which slot, used without a
-- lease, and for how many milliseconds a Redis that has just begun leases nothing.
-- Answers: granted, slot, milliseconds until its end, milliseconds until there may be more.
local count, slot_ms, slots = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local want, back, back_slot = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local add, careful = tonumber(ARGV[7]), tonumber(ARGV[8])
-- The one clock that all servers have in common.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local slot = math.floor(now / slot_ms)

if not redis.call('GET', KEYS[2]) then
    redis.call('SET', KEYS[2], string.format('%d', now))
end
-- It outlives every span; without requests for so long there is nothing to know.
redis.call('EXPIRE', KEYS[2], 30 * 24 * 3600)
local age = now - tonumber(redis.call('GET', KEYS[2]))

if back > 0 then
    local leased = tonumber(redis.call('HGET', KEYS[1], back_slot) or '0')
    -- What was forgotten meanwhile cannot come back.
    if leased > 0 then
        redis.call('HINCRBY', KEYS[1], back_slot, string.format('%d', -math.min(back, leased)))
    end
end
if add > 0 then
    redis.call('HINCRBY', KEYS[1], string.format('%d', slot), add)
end
local used, oldest = 0, slot
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
    local number, leased = tonumber(all[at]), tonumber(all[at + 1])
    -- A lease may be used until the end of its slot, and counts for a span and a slot from there.
    if number < slot - slots - 1 then
        redis.call('HDEL', KEYS[1], all[at])
    elseif leased > 0 then
        used = used + leased
        oldest = math.min(oldest, number)
    end
end

local granted, opens = 0, 0
if age < careful then
    opens = careful - age
else
    granted = math.max(0, math.min(want, count - used))
    if granted > 0 then
        redis.call('HINCRBY', KEYS[1], string.format('%d', slot), granted)
    else
        opens = (oldest + slots + 2) * slot_ms - now
    end
end
redis.call('PEXPIRE', KEYS[1], (slots + 3) * slot_ms)
return { granted, slot, (slot + 1) * slot_ms - now, opens }
