import type { BigIntStats } from 'node:fs'
import { expect, test } from 'vitest'
import { modeOf, sameMode } from '../../src/local/attributes.ts'
import { sameTime } from '../../src/local/times.ts'

type Kind = 'file' | 'directory' | 'symlink'

function stats(kind: Kind, mode: bigint): BigIntStats {
  return { mode, isSymbolicLink: () => kind === 'symlink', isDirectory: () => kind === 'directory' } as unknown as BigIntStats
}

test('Windows gives every folder a mode that closes it elsewhere; what is recorded does not', () => {
  expect(modeOf(stats('file', 0o100666n), 'win32')).toBe(0o644)
  expect(modeOf(stats('file', 0o100444n), 'win32')).toBe(0o444)
  expect(modeOf(stats('directory', 0o40666n), 'win32')).toBe(0o755)
  // Explorer marks its own folders so
  expect(modeOf(stats('directory', 0o40444n), 'win32')).toBe(0o755)
  expect(modeOf(stats('symlink', 0o120666n), 'win32')).toBe(0o777)
  expect(modeOf(stats('file', 0o104750n), 'linux')).toBe(0o4750)
})

test('Windows holds of a mode whether a file may be written', () => {
  expect(sameMode(0o755, 0o644, 'file', 'win32')).toBe(true)
  expect(sameMode(0o600, 0o644, 'file', 'win32')).toBe(true)
  expect(sameMode(0o555, 0o644, 'file', 'win32')).toBe(false)
  expect(sameMode(0o444, 0o444, 'file', 'win32')).toBe(true)
  expect(sameMode(0o555, 0o755, 'directory', 'win32')).toBe(true)
  expect(sameMode(0o755, 0o644, 'file', 'darwin')).toBe(false)
})

test('Windows holds of a time what is more than two microseconds', () => {
  const here = { mtime: 1_700_000_000_123_457_600n }
  expect(sameTime(1_700_000_000_123_456_000n, here, 'win32')).toBe(true)
  expect(sameTime(1_700_000_000_123_459_000n, here, 'win32')).toBe(true)
  expect(sameTime(1_700_000_000_123_454_000n, here, 'win32')).toBe(false)
  expect(sameTime(1_700_000_000_123_460_000n, here, 'win32')).toBe(false)
  expect(sameTime(1_700_000_000_123_456_000n, here, 'linux')).toBe(false)
  expect(sameTime(1_700_000_000_123_457_000n, here, 'linux')).toBe(true)
})
