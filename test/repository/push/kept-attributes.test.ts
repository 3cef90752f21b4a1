import { expect, test } from 'vitest'
import type { Entry } from '../../../src/repository/format/manifest.ts'
import { keepAttributes } from '../../../src/repository/push/kept-attributes.ts'
import { corrupt } from '../../../src/util/errors.ts'
import { onPlatform } from '../../helpers/platform.ts'

const file = (path: string, mode: number, mtime: bigint, content = 0): Entry => {
  return { path, type: 'file', mode, mtime, size: 1, chunks: Buffer.alloc(32, content) }
}
const T = 1_700_000_000_000_000_000n

test('on Windows what the version before has goes on, as far as Windows can not tell', () =>
  onPlatform('win32', async () => {
    const before = [file('a.sh', 0o755, T), file('changed', 0o600, T), file('opened', 0o444, T), file('touched', 0o755, T)]
    const now = [file('a.sh', 0o644, T + 1000n), file('changed', 0o644, T + 9000n, 1), file('new', 0o644, T), file('opened', 0o644, T)]
    const all = [...now, file('touched', 0o644, T + 9000n)]
    await keepAttributes(before, all)
    expect(all.map(({ path, mode, mtime }) => [path, mode.toString(8), Number(mtime - T)])).toEqual([
      ['a.sh', '755', 0],
      ['changed', '600', 9000],
      ['new', '644', 0],
      ['opened', '644', 0],
      ['touched', '755', 9000],
    ])
  }))

test('a version before that can not be read loses them, and does not stop a push', () =>
  onPlatform('win32', async () => {
    const all = [file('a', 0o644, T)]
    await keepAttributes(
      // eslint-disable-next-line require-yield
      (async function* () {
        throw corrupt('The manifest is damaged.', 'Check it.')
      })(),
      all,
    )
    expect(all[0]!.mode).toBe(0o644)
  }))
