import { describe, expect, test } from 'vitest'
import { PACK_POLICY } from '../../../src/repository/format/limits.ts'
import { levelFor, type Waiting } from '../../../src/repository/write/level-for.ts'

const MB = 1e6
const most = PACK_POLICY.uploadBytesInFlight

/** A home line of 2 MB/s that has sent 20 MB, with 10 MB to send and two threads. */
const slow: Waiting = { inFlight: 10 * MB, most, uploaded: 20 * MB, seconds: 10, encoding: 0, threads: 2 }

describe('the level of the next block', () => {
  test.each<[what: string, level: 'balanced' | 'high', seen: Partial<Waiting & { others: number | undefined }>]>([
    ['a slow link has much to send', 'high', {}],
    ['one of two threads is free', 'high', { encoding: 1 }],
    ['no thread is free: the blocks are what the link waits for', 'balanced', { encoding: 2 }],
    ['there are no threads', 'balanced', { threads: 0 }],
    ['nothing has been sent yet', 'balanced', { inFlight: 0, uploaded: 0, seconds: 0 }],
    ['the first pack has just begun', 'balanced', { inFlight: 4 * MB, uploaded: 0, seconds: 0.5 }],
    ['the first pack takes long', 'high', { inFlight: 4 * MB, uploaded: 0, seconds: 4 }],
    ['all was sent', 'balanced', { inFlight: 0 }],
    ['little is left to send', 'balanced', { inFlight: 2 * MB }],
    ['a fast link has as much in flight as hides the time to answer', 'balanced', { inFlight: 30 * MB, uploaded: 400 * MB }],
    ['a fast link has as much in flight as may be', 'high', { inFlight: 50 * MB, uploaded: 400 * MB }],
    ['a training uses one of two processors', 'balanced', { others: 0.5 }],
    ['a training uses one of eight processors', 'high', { others: 0.125 }],
    ['nobody knows what others use', 'balanced', { others: undefined }],
  ])('%s: %s', (_, level, seen) => {
    const { others, ...waiting } = { ...slow, others: 0.05, ...seen }
    expect(levelFor(waiting, others)).toBe(level)
  })
})
