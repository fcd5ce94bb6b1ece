import { createHash } from "node:crypto";
import type { Redis } from "ioredis";

/**
 * What all scripts share. Every change of a job is one script, so that no process sees half of one.
 *
 * Keys, below the prefix: `job:ID` (hash: the job), `request:ID` (pictures of its request), `preview:ID`; `all` and `owner:OWNER` (jobs by
 * number), `waiting` (in the order of the queue), `running`, `ended` (in order); `keys` (Idempotency-Keys); `turns` (the last turn that
 * each owner has got), `turn` (the one that is served); `pictures` (of results, by random name), `hashes` (how many pictures have it),
 * `expired` (hashes for the result store to delete, by the time since when no job has them); `workers` (SLOTS:WORKER:MODEL of those that
 * take jobs, by the time until which that holds). Channels: `changed` (the queue moved), `work` (BullMQ has a job to take), `cancel`,
 * `events:ID`.
 */
const COMMON = `
local P, call = KEYS[1], redis.call
local function job(id) return P .. 'job:' .. id end
local function get(id, field) return call('HGET', job(id), field) end
local function digits(number) return string.format('%.0f', number) end
local function changed() call('PUBLISH', P .. 'changed', '') end

-- rest: the event's own fields as JSON, without the braces
local function emit(id, type, rest)
  local number = call('HINCRBY', job(id), 'event', 1)
  local comma = rest == '' and '' or ','
  call('PUBLISH', P .. 'events:' .. id, '{"id":' .. digits(number) .. ',"type":"' .. type .. '"' .. comma .. rest .. '}')
  return digits(number)
end

local function inner(json) return string.sub(json, 2, -2) end

local function isRun(id, token) return get(id, 'state') == 'running' and get(id, 'token') == token end

local function tellPlace(id)
  local place = digits(call('ZRANK', P .. 'waiting', id) + 1)
  if get(id, 'position') ~= place then
    call('HSET', job(id), 'position', place, 'stateEvent', emit(id, 'waiting', '"position":' .. place))
  end
end

local function drop(id) call('DEL', P .. 'preview:' .. id) call('HDEL', job(id), 'token', 'progress', 'progressEvent', 'position') end

-- A hash without pictures is for the result store to delete.
local function expireUnused(hash, now)
  if tonumber(call('HGET', P .. 'hashes', hash) or 0) <= 0 then
    call('HDEL', P .. 'hashes', hash)
    call('ZADD', P .. 'expired', 'NX', now, hash)
  end
end

-- A running job waits before all others.
local function putBack(id)
  call('ZREM', P .. 'running', id)
  call('ZADD', P .. 'waiting', get(id, 'number'), id)
  call('HSET', job(id), 'state', 'waiting', 'front', '1')
  call('HDEL', job(id), 'startedAt')
  drop(id)
  tellPlace(id)
  changed()
end

local function finish(id, state, outcome, now)
  local isCrash = state == 'failed' and cjson.decode(outcome).kind == 'crashed'
  -- A run that ended was no crash.
  if get(id, 'state') == 'running' and not isCrash then call('HINCRBY', job(id), 'crashes', -1) end
  call('HSET', job(id), 'state', state, 'outcome', outcome, 'endedAt', now)
  drop(id)
  call('DEL', P .. 'request:' .. id)
  call('ZREM', P .. 'waiting', id)
  call('ZREM', P .. 'running', id)
  call('ZADD', P .. 'ended', call('INCR', P .. 'endings'), id)
  local field = state == 'done' and '"result":' or '"error":'
  call('HSET', job(id), 'stateEvent', emit(id, state, state == 'cancelled' and '' or field .. outcome))
  changed()
end

-- A run that did not end: the job is tried once more. @returns whether it is
local function crash(id, reason, now)
  if tonumber(get(id, 'crashes')) < 2 then
    putBack(id)
    return true
  end
  finish(id, 'failed', cjson.encode({ kind = 'crashed', message = 'the process of this job ended 2 times; the last time: ' .. reason }), now)
  return false
end

-- Milliseconds by the clock that all processes share.
local function clock()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The job as its fields, its place from 0, and its preview.
local function read(id)
  return { call('HGETALL', job(id)), call('ZRANK', P .. 'waiting', id), call('GET', P .. 'preview:' .. id) }
end

-- The same with the pictures of its request.
local function readWhole(id)
  local whole = read(id)
  table.insert(whole, call('GET', P .. 'request:' .. id))
  return whole
end
`;

/** The largest priority of BullMQ: after so many turns without an empty queue, jobs run in the order in which they came. */
const MOST_TURNS = 2_097_151;

/** Finished runs that a guess of the next one's time is taken from. */
const RECENT_RUNS = 20;

/** The scripts by name, with their arguments. */
const SCRIPTS = {
  /** id, owner, field of the key or "", fingerprint, model, text, pictures or "", most that wait, now, BullMQ's key of the job */
  add: `
    local id, owner, key, fingerprint, model, text, pictures, most, now, bull = unpack(ARGV)
    local known = key ~= '' and call('HGET', P .. 'keys', key)
    if known then
      return get(known, 'fingerprint') == fingerprint and { 'known', known } or { 'reused' }
    end
    -- Sent again after a connection that was lost before the reply.
    if get(id, 'turn') then return { 'added', id, get(id, 'turn') } end
    local waiting = call('ZCARD', P .. 'waiting')
    if waiting >= tonumber(most) then
      local time, runs = 0, 0
      for _, ended in ipairs(call('ZREVRANGE', P .. 'ended', 0, ${RECENT_RUNS - 1})) do
        if get(ended, 'state') == 'done' then
          time, runs = time + get(ended, 'endedAt') - get(ended, 'startedAt'), runs + 1
        end
      end
      return { 'full', waiting, runs > 0 and digits(time / runs) or '' }
    end
    if waiting == 0 then call('DEL', P .. 'turns', P .. 'turn') end
    local last = math.max(tonumber(call('GET', P .. 'turn') or 0), tonumber(call('HGET', P .. 'turns', owner) or 0))
    local turn = math.min(last + 1, ${MOST_TURNS})
    call('HSET', P .. 'turns', owner, digits(turn))
    local number = call('INCR', P .. 'number')
    call('HSET', job(id), 'id', id, 'owner', owner, 'key', key, 'fingerprint', fingerprint, 'model', model, 'text', text, 'createdAt', now, 'bull', bull,
      'number', digits(number), 'turn', digits(turn), 'state', 'waiting', 'front', '0', 'crashes', 0, 'event', 1, 'stateEvent', 1)
    if pictures ~= '' then call('SET', P .. 'request:' .. id, pictures) end
    if key ~= '' then call('HSET', P .. 'keys', key, id) end
    call('ZADD', P .. 'all', number, id)
    call('ZADD', P .. 'owner:' .. owner, number, id)
    call('ZADD', P .. 'waiting', digits(turn * 4294967296 + number), id)
    return { 'added', id, digits(turn) }`,

  /** Models of the waiting jobs, in the order of the queue. */
  models: `
    local models, seen = {}, {}
    for _, id in ipairs(call('ZRANGE', P .. 'waiting', 0, -1)) do
      local model = get(id, 'model')
      if model and not seen[model] then
        seen[model] = true
        table.insert(models, model)
      end
    end
    return models`,

  /** The models of the waiting and of the running jobs, one for each job. */
  live: `
    local live = {}
    for _, state in ipairs({ 'waiting', 'running' }) do
      local models = {}
      for _, id in ipairs(call('ZRANGE', P .. state, 0, -1)) do table.insert(models, get(id, 'model') or '') end
      table.insert(live, models)
    end
    return live`,

  /** id, token, now, reason of a crash. Nil if the job is not live. */
  start: `
    local id, token, now, reason = unpack(ARGV)
    -- Sent again after a connection that was lost before the reply.
    if isRun(id, token) then return readWhole(id) end
    -- BullMQ gives a running job again when its run's lock is gone.
    if get(id, 'state') == 'running' then crash(id, reason, now) end
    if get(id, 'state') ~= 'waiting' then return false end
    call('HINCRBY', job(id), 'crashes', 1)
    call('HSET', job(id), 'state', 'running', 'startedAt', now, 'token', token)
    call('HDEL', job(id), 'position')
    call('ZREM', P .. 'waiting', id)
    call('ZADD', P .. 'running', get(id, 'number'), id)
    if get(id, 'front') == '0' then
      call('SET', P .. 'turn', digits(math.max(tonumber(call('GET', P .. 'turn') or 0), tonumber(get(id, 'turn')))))
    end
    call('HSET', job(id), 'stateEvent', emit(id, 'running', ''))
    changed()
    return readWhole(id)`,

  /** id, token, milliseconds, BullMQ's set of stalled jobs. Takes a lock again that ran out while Redis was away. */
  renew: `
    local id, token, time, stalled = unpack(ARGV)
    if get(id, 'state') == 'cancelled' then return 'cancelled' end
    local lock = get(id, 'bull') and get(id, 'bull') .. ':lock'
    if not isRun(id, token) or (call('GET', lock) or token) ~= token then return 'lost' end
    call('SET', lock, token, 'PX', time)
    call('SREM', stalled, id)
    return 'held'`,

  /** id, token, progress */
  progress: `
    local id, token, progress = unpack(ARGV)
    if isRun(id, token) then call('HSET', job(id), 'progress', progress, 'progressEvent', emit(id, 'step', inner(progress))) end`,

  /** id, token, preview, seconds that it is kept */
  preview: `
    local id, token, preview, time = unpack(ARGV)
    if isRun(id, token) then
      local number = emit(id, 'preview', inner(preview))
      call('SET', P .. 'preview:' .. id, '{"id":' .. number .. ',"type":"preview",' .. inner(preview) .. '}', 'EX', time)
    end`,

  /** id, token, state, outcome, now, pictures as [[name, hash, text]]. 1 if the run ended so, 0 if it was no longer on record. */
  finish: `
    local id, token, state, outcome, now, pictures = unpack(ARGV)
    local isLive = isRun(id, token)
    if isLive then finish(id, state, outcome, now) end
    for _, picture in ipairs(cjson.decode(pictures)) do
      local name, hash, text = unpack(picture)
      if isLive then
        call('HSET', P .. 'pictures', name, text)
        call('HINCRBY', P .. 'hashes', hash, 1)
        call('ZREM', P .. 'expired', hash)
      else expireUnused(hash, now) end
    end
    return isLive and 1 or 0`,

  /** id, token. 1 if the job waits again. */
  handBack: `
    local id, token = unpack(ARGV)
    if not isRun(id, token) then return 0 end
    call('HINCRBY', job(id), 'crashes', -1)
    putBack(id)
    return 1`,

  /** id, token, reason, now. 1 if the job waits again. */
  crash: `
    local id, token, reason, now = unpack(ARGV)
    return isRun(id, token) and crash(id, reason, now) and 1 or 0`,

  /** id, now */
  cancel: `
    local id, now = unpack(ARGV)
    local state = get(id, 'state')
    if state == 'waiting' or state == 'running' then
      finish(id, 'cancelled', '', now)
      call('PUBLISH', P .. 'cancel', id)
    end
    return read(id)`,

  /** id */
  read: `return read(ARGV[1])`,

  /** owner or "", states as JSON or "", limit, job before which or "" */
  list: `
    local owner, states, limit, before = unpack(ARGV)
    local allowed = nil
    if states ~= '' then
      allowed = {}
      for _, state in ipairs(cjson.decode(states)) do allowed[state] = true end
    end
    local jobs, from = {}, '+inf'
    if before ~= '' then
      local number = get(before, 'number')
      if not number then return jobs end
      from = '(' .. number
    end
    local set = owner == '' and P .. 'all' or P .. 'owner:' .. owner
    for _, id in ipairs(call('ZREVRANGEBYSCORE', set, from, '-inf')) do
      if #jobs >= tonumber(limit) then break end
      if not allowed or allowed[get(id, 'state')] then
        table.insert(jobs, { call('HGETALL', job(id)), call('ZRANK', P .. 'waiting', id) })
      end
    end
    return jobs`,

  /** ids: tells those who read the events of waiting jobs their new places */
  places: `
    for _, id in ipairs(ARGV) do
      if get(id, 'state') == 'waiting' then tellPlace(id) end
    end`,

  /** now, reason: ends runs whose lock is gone. Returns them as (id, model, 1 if it waits again). */
  recover: `
    local lost = {}
    for _, id in ipairs(call('ZRANGE', P .. 'running', 0, -1)) do
      if call('GET', get(id, 'bull') .. ':lock') ~= get(id, 'token') then
        table.insert(lost, { id, get(id, 'model'), crash(id, ARGV[2], ARGV[1]) and 1 or 0 })
      end
    end
    return lost`,

  /** Waiting jobs that BullMQ does not have, as (id, model, priority): a process ended between the two. */
  missing: `
    local missing = {}
    for _, id in ipairs(call('ZRANGE', P .. 'waiting', 0, -1)) do
      if call('EXISTS', get(id, 'bull')) == 0 then
        table.insert(missing, { id, get(id, 'model'), get(id, 'front') == '1' and '0' or get(id, 'turn') })
      end
    end
    return missing`,

  /** milliseconds that it holds, then SLOTS:WORKER:MODEL of a worker that takes jobs */
  announce: `
    local now = clock()
    call('ZREMRANGEBYSCORE', P .. 'workers', '-inf', digits(now))
    for i = 2, #ARGV do call('ZADD', P .. 'workers', digits(now + ARGV[1]), ARGV[i]) end`,

  /** Workers that take jobs, as SLOTS:WORKER:MODEL. */
  workers: `return call('ZRANGEBYSCORE', P .. 'workers', digits(clock()), '+inf')`,

  /** model, outcome, time, now: fails jobs of a model that have waited since then or before. Returns their ids. */
  failWaiting: `
    local model, outcome, since, now = unpack(ARGV)
    local failed = {}
    for _, id in ipairs(call('ZRANGE', P .. 'waiting', 0, -1)) do
      if get(id, 'model') == model and tonumber(get(id, 'createdAt')) <= tonumber(since) then
        finish(id, 'failed', outcome, now)
        table.insert(failed, id)
      end
    end
    return failed`,

  /** number of jobs that are kept, the time that they are younger than, now */
  prune: `
    local keep, since = tonumber(ARGV[1]), tonumber(ARGV[2])
    local count = call('ZCARD', P .. 'ended')
    for _, id in ipairs(call('ZRANGE', P .. 'ended', 0, -1)) do
      if count <= keep and tonumber(get(id, 'endedAt')) > since then break end
      count = count - 1
      if get(id, 'state') == 'done' then
        for _, picture in ipairs(cjson.decode(get(id, 'outcome')).pictures) do
          call('HDEL', P .. 'pictures', picture.id)
          call('HINCRBY', P .. 'hashes', picture.hash, -1)
          expireUnused(picture.hash, ARGV[3])
        end
      end
      call('ZREM', P .. 'ended', id)
      call('ZREM', P .. 'all', id)
      call('ZREM', P .. 'owner:' .. get(id, 'owner'), id)
      if get(id, 'key') ~= '' then call('HDEL', P .. 'keys', get(id, 'key')) end
      call('DEL', job(id))
    end`,
} as const;

export type ScriptName = keyof typeof SCRIPTS;

/** Runs the scripts above: sends their text once, then their hash. */
export class Scripts {
  readonly #redis: Redis;
  readonly #prefix: string;

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  /** The caller knows what its script returns. */
  async run<Reply = unknown>(name: ScriptName, ...values: readonly (string | number)[]): Promise<Reply> {
    const { text, hash } = sources[name];
    try {
      return (await this.#redis.evalsha(hash, 1, this.#prefix, ...values)) as Reply;
    } catch (error) {
      // A server that was started again does not know it.
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
      return (await this.#redis.eval(text, 1, this.#prefix, ...values)) as Reply;
    }
  }
}

const sources = Object.fromEntries(
  Object.entries(SCRIPTS).map(([name, script]) => {
    const text = COMMON + script;
    return [name, { text, hash: createHash("sha1").update(text).digest("hex") }];
  }),
) as Record<ScriptName, { readonly text: string; readonly hash: string }>;
