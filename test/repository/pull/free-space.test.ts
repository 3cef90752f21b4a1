import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, statfsSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openForReading, type RepositoryContext } from '../../../src/repository/open/open.ts'
import { pull, type PullRequest, type PullResult } from '../../../src/repository/pull/pull.ts'
import { parseVersion, resolveVersion } from '../../../src/repository/versions/versions.ts'
import { rejection } from '../../helpers/failures.ts'
import { withFolder } from '../../helpers/folders.ts'
import { contextOf, pushFolder } from '../../helpers/in-process.ts'
import { withTmpfs } from '../../helpers/mounts.ts'
import { recordingReporter } from '../../helpers/repository/test-store.ts'
import { seededNoise } from '../../helpers/seeded.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'
import { expectSameTree, makeTree, pictureOf, type TreeNode } from '../../helpers/trees.ts'

const MiB = 1024 * 1024

interface World {
  data: string
  disk: string
  out: string
  pullIt: (more?: Partial<PullRequest>, context?: RepositoryContext) => Promise<PullResult>
  context: RepositoryContext
}

/** A version of a folder, and a small disk to pull it to. */
function withWorld(diskBytes: number, tree: Record<string, TreeNode>, use: (world: World) => Promise<void>): Promise<void> {
  return withTmpfs(diskBytes, ({ path: disk }) =>
    withFolder(async folder => {
      const data = join(folder, 'data')
      makeTree(data, tree)
      const context = contextOf(new MemoryStorage())
      await pushFolder(context, data, 'data')
      const out = join(disk, 'out')
      const pullIt = async (more: Partial<PullRequest> = {}, means = context): Promise<PullResult> => {
        const repository = await openForReading(means)
        const snapshot = await resolveVersion(repository, repository.view, parseVersion('data'))
        const none = { only: [], exclude: [], delete: false, force: false, dryRun: false, skip: undefined }
        return pull(means, repository, { snapshot, destination: out, ...none, openCache: () => Promise.resolve(undefined), ...more })
      }
      await use({ data, disk, out, pullIt, context })
    }),
  )
}

const noise = (seed: number, size: number): Buffer => seededNoise(seed, size)

describe('a pull that does not fit the disk', () => {
  test('changes nothing: it neither deletes nor makes anything, not even with --force and --delete', () =>
    withWorld(16 * MiB, { 'a.bin': noise(1, 8 * MiB), 'b.bin': noise(2, 8 * MiB), 'sub/c': 'c' }, async ({ out, disk, pullIt }) => {
      makeTree(out, { extra: 'extra', 'a.bin': 'other', sub: 'a file in the way' })
      const before = pictureOf(disk)
      const error = await rejection(pullIt({ force: true, delete: true }), 'quota')
      expect(error.message).toMatch(/^The files to write take 16\.8 MB, but only 16\.\d MB can be used at .*; nothing was changed\.$/)
      expect(pictureOf(disk)).toEqual(before)
      await pullIt({ only: ['a.bin'], force: true })
      expect(statSync(join(out, 'a.bin')).size).toBe(8 * MiB)
    }))

  test('because of files that it replaces: they stay until the new ones are whole', () =>
    withWorld(16 * MiB, { 'a.bin': noise(1, 9 * MiB) }, async ({ out, pullIt }) => {
      makeTree(out, { 'a.bin': noise(2, 9 * MiB) })
      await rejection(pullIt({ force: true }), 'quota')
      expect(readdirSync(out)).toEqual(['a.bin'])
    }))

  test('tells so in a dry run, which is no failure', () =>
    withWorld(4 * MiB, { 'a.bin': noise(1, 8 * MiB) }, async ({ pullIt, context }) => {
      const { reporter, warnings } = recordingReporter()
      await pullIt({ dryRun: true }, { ...context, reporter })
      expect(warnings).toEqual([expect.stringMatching(/^The files to write take 8\.39 MB/)])
    }))

  test('because another disk is mounted in the destination', () =>
    withWorld(32 * MiB, { 'a.bin': noise(1, 8 * MiB), 'sub/b.bin': noise(2, 8 * MiB) }, ({ out, pullIt }) =>
      withTmpfs(4 * MiB, async ({ path }) => {
        mkdirSync(join(out, 'sub'), { recursive: true })
        execFileSync('mount', ['--bind', path, join(out, 'sub')])
        try {
          const error = await rejection(pullIt(), 'quota')
          expect(error.message).toMatch(/take 8\.39 MB, but only 4\.15 MB can be used at .*\/out\/sub;/)
          expect(readdirSync(out)).toEqual(['sub'])
        } finally {
          execFileSync('umount', [join(out, 'sub')])
        }
      }),
    ))
})

describe('a pull fits', () => {
  test('if what is too much are holes', () =>
    withWorld(16 * MiB, { 'a.bin': noise(1, 4 * MiB) }, async ({ data, out, pullIt, context }) => {
      truncateSync(join(data, 'a.bin'), 200 * MiB)
      await pushFolder(context, data, 'data')
      await pullIt()
      expectSameTree(out, data)
    }))

  test('if what it deletes makes the room', () =>
    withWorld(16 * MiB, { 'a.bin': noise(1, 9 * MiB) }, async ({ data, out, pullIt }) => {
      makeTree(out, { extra: noise(2, 9 * MiB) })
      await rejection(pullIt({ force: true }), 'quota')
      await pullIt({ force: true, delete: true })
      expectSameTree(out, data)
    }))

  test('if an interrupted pull has already written what is too much', () =>
    withWorld(16 * MiB, { 'a.bin': noise(1, 12 * MiB) }, async ({ data, out, disk, pullIt, context }) => {
      const abort = new AbortController()
      const { reporter } = recordingReporter()
      const progress = ({ doneBytes = 0, phase }: { doneBytes?: number; phase?: string }): void => {
        if (phase === 'restoring' && doneBytes > 2 * MiB) abort.abort()
      }
      await rejection(pullIt({}, { ...context, reporter: { ...reporter, progress }, signal: abort.signal }), 'interrupted')
      const { bavail, bsize } = statfsSync(disk)
      expect(bavail * bsize).toBeLessThan(13.5 * MiB)
      writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize - 10 * MiB))
      expect((await pullIt()).resumedBytes).toBeGreaterThan(MiB)
      expectSameTree(out, data)
    }))

  test('if other versions of the folder do not: only what is written counts', () =>
    withWorld(16 * MiB, { 'a.bin': noise(1, 12 * MiB), b: 'b' }, async ({ data, out, pullIt }) => {
      mkdirSync(out)
      await pullIt()
      rmSync(join(out, 'b'))
      await pullIt()
      expectSameTree(out, data)
    }))
})
