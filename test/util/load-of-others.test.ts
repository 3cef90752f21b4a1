import { describe, expect, test } from 'vitest'
import { type CpuTimes, LoadOfOthers, shareOfOthers } from '../../src/util/load-of-others.ts'

const at = (seconds: number, own: number, ...groups: [used: number, processors: number][]): CpuTimes => ({
  at: seconds,
  own,
  groups: groups.map(([used, processors]) => ({ used, processors })),
})

describe('the share of the processors that other programs use', () => {
  test.each<[what: string, share: number | undefined, before: CpuTimes, after: CpuTimes]>([
    ['an idle machine', 0, at(0, 0, [100, 2]), at(10, 8, [108, 2])],
    ['one busy processor of two', 0.5, at(0, 0, [100, 2]), at(10, 8, [118, 2])],
    ['one busy processor of eight', 0.125, at(0, 3, [100, 8]), at(10, 3, [110, 8])],
    ['a busy container on an idle machine of many', 0.75, at(0, 0, [100, 64], [10, 2]), at(10, 1, [116, 64], [26, 2])],
    ['an idle container on a busy machine', 0.5, at(0, 0, [100, 4], [10, 2]), at(10, 5, [125, 4], [15, 2])],
    ['ticks that say less than this process used', 0, at(0, 0, [100, 2]), at(10, 8, [107, 2])],
    ['a machine that is hidden', undefined, at(0, 0, [0, 2]), at(10, 8, [0, 2])],
  ])('%s', (_, share, before, after) => {
    expect(shareOfOthers(before, after)).toEqual(share === undefined ? undefined : expect.closeTo(share, 6))
  })

  test('is unknown at first, then measured over at least half a second', () => {
    const looks = [at(0, 0, [0, 2]), at(0.2, 0.1, [0.4, 2]), at(1, 0.5, [1.5, 2]), at(1.1, 0.6, [2.5, 2]), at(2, 1, [2, 2])]
    const load = new LoadOfOthers(() => looks.shift()!)
    expect([load.now(), load.now(), load.now(), load.now()]).toEqual([undefined, 0.5, 0.5, 0])
  })

  test('reads this machine', async () => {
    const load = new LoadOfOthers()
    await new Promise(resolve => setTimeout(resolve, 600))
    const share = load.now()
    if (share !== undefined) expect(share >= 0 && share <= 1).toBe(true)
  })
})
