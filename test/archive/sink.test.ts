import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { FileSink, unfinishedName } from '../../src/archive/sink.ts'
import { isPartName } from '../../src/local/part-names.ts'
import { silentReporter } from '../../src/util/reporter.ts'
import { withFolder } from '../helpers/folders.ts'

it('a file appears under its name when it is whole, and not before', () =>
  withFolder(async folder => {
    const path = join(folder, 'a.zip')
    const sink = await FileSink.create(path, false)
    await sink.write(Buffer.from('one '))
    await sink.write(Buffer.from('two'))
    expect(existsSync(path)).toBe(false)
    expect(readdirSync(folder).every(isPartName)).toBe(true)
    await sink.finish()
    expect(readdirSync(folder)).toEqual(['a.zip'])
    expect(readFileSync(path, 'utf8')).toBe('one two')
  }))

it('nothing stays of a file that is given up, nor of what a killed run left', () =>
  withFolder(async folder => {
    const path = join(folder, 'a.zip')
    writeFileSync(unfinishedName(path), 'left by a killed run')
    const sink = await FileSink.create(path, false)
    await sink.write(Buffer.from('half'))
    await sink.abort(silentReporter)
    expect(readdirSync(folder)).toEqual([])
  }))

it('what exists is replaced only by force, and only at the end', () =>
  withFolder(async folder => {
    const path = join(folder, 'a.zip')
    writeFileSync(path, 'old')
    await expect(FileSink.create(path, false)).rejects.toMatchObject({ code: 'would-overwrite' })
    const sink = await FileSink.create(path, true)
    await sink.write(Buffer.from('new'))
    expect(readFileSync(path, 'utf8')).toBe('old')
    await sink.finish()
    expect(readFileSync(path, 'utf8')).toBe('new')
  }))

it('what appears meanwhile is not replaced', () =>
  withFolder(async folder => {
    const path = join(folder, 'a.zip')
    const sink = await FileSink.create(path, false)
    writeFileSync(path, "somebody else's")
    await expect(sink.finish()).rejects.toMatchObject({ code: 'would-overwrite' })
    await sink.abort(silentReporter)
    expect(readFileSync(path, 'utf8')).toBe("somebody else's")
    expect(readdirSync(folder)).toEqual(['a.zip'])
  }))

it('two runs that write the same archive notice it', () =>
  withFolder(async folder => {
    const path = join(folder, 'a.zip')
    const first = await FileSink.create(path, false)
    const second = await FileSink.create(path, false)
    await expect(first.finish()).rejects.toMatchObject({ code: 'conflict' })
    await second.write(Buffer.from('whole'))
    await second.finish()
    expect(readFileSync(path, 'utf8')).toBe('whole')
  }))

it('folders, and places in no folder, are refused', () =>
  withFolder(async folder => {
    await expect(FileSink.create(folder, true)).rejects.toMatchObject({ code: 'usage' })
    await expect(FileSink.create(join(folder, 'none', 'a.zip'), true)).rejects.toMatchObject({ code: 'not-found' })
  }))

it('a device is written into, not replaced', () =>
  withFolder(async folder => {
    const path = join(folder, 'null')
    symlinkSync('/dev/null', path)
    const sink = await FileSink.create(path, false)
    await sink.write(Buffer.from('gone'))
    await sink.finish()
    expect(existsSync('/dev/null')).toBe(true)
    rmSync(path)
    expect(readdirSync(folder)).toEqual([])
  }))
