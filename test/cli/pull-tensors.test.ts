import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { safetensors, type Entry } from '../chunking/layouts/writers.ts'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { torchFile } from '../tensors/tensor-files.ts'

const MiB = 1024 * 1024

/** Reads a safetensors file as its documentation says, with what comes with Python. */
const READER = `
import hashlib, json, struct, sys
data = open(sys.argv[1], 'rb').read()
length, = struct.unpack('<Q', data[:8])
header = json.loads(data[8:8 + length])
header.pop('__metadata__', None)
end = 0
for name, t in sorted(header.items(), key=lambda item: item[1]['data_offsets']):
    begin, stop = t['data_offsets']
    assert begin == end, name
    end = stop
    count = 1
    for n in t['shape']: count *= n
    assert count * {'F32': 4, 'F16': 2, 'I64': 8}[t['dtype']] == stop - begin, name
assert 8 + length + end == len(data)
digest = lambda t: hashlib.sha256(data[8 + length:][slice(*t['data_offsets'])]).hexdigest()
print(json.dumps({name: [t['dtype'], t['shape'], digest(t)] for name, t in header.items()}))
`

function readWithPython(path: string): Record<string, [dtype: string, shape: number[], digest: string]> {
  return JSON.parse(execFileSync('python3', ['-c', READER, path], { encoding: 'utf8' })) as ReturnType<typeof readWithPython>
}

function digest(bytes: Uint8Array): string {
  return execFileSync('python3', ['-c', 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())'], {
    input: bytes,
    encoding: 'utf8',
  }).trim()
}

const model: Entry[] = Array.from({ length: 12 }, (_, i): Entry[] => [
  { name: `layers.${i}.weight`, dtype: 'F32', shape: [512, 512], data: seededNoise(i + 1, MiB) },
  { name: `layers.${i}.bias`, dtype: 'F16', shape: [512], data: seededNoise(i + 50, 1024) },
]).flat()

async function pushModel(sandbox: Sandbox): Promise<void> {
  mkdirSync(sandbox.in('runs'))
  writeFileSync(sandbox.in('runs/model.safetensors'), safetensors(model))
  const view = { storageClass: 'FloatStorage', key: '0', elements: 6, offset: 0 }
  writeFileSync(
    sandbox.in('runs/model.pt'),
    torchFile(
      [
        { ...view, name: 'a', shape: [2, 3], strides: [3, 1] },
        { ...view, name: 't', shape: [3, 2], strides: [1, 3] },
      ],
      { 0: Buffer.from(Float32Array.of(1, 2, 3, 4, 5, 6).buffer) },
    ),
  )
  await sandbox.ok('push', 'runs')
}

describe('pull --tensor', () => {
  test('takes tensors by name and pattern out of stored models, by ranges, and others can read what it writes', () =>
    withSandbox(async sandbox => {
      await pushModel(sandbox)
      const result = await sandbox.json<{ bytes: number; requests: Record<string, number>; tensors: { name: string }[] }>(
        ...['pull', 'runs:model.safetensors', '--tensor', 'layers.0.*', '--tensor', 'layers.11.bias', '-o', 'part.safetensors'],
      )
      expect(result.tensors.map(({ name }) => name)).toEqual(['layers.0.weight', 'layers.0.bias', 'layers.11.bias'])
      // config, index, snapshot, manifest, and the blocks: those of one layer, and of the last
      expect(result.requests['get']).toBeLessThanOrEqual(8)
      const wanted = ([name, at]: [string, number]) => [name, [model[at]!.dtype, model[at]!.shape, digest(model[at]!.data)]]
      const places: [string, number][] = [
        ['layers.0.weight', 0],
        ['layers.0.bias', 1],
        ['layers.11.bias', 23],
      ]
      expect(readWithPython(sandbox.in('part.safetensors'))).toEqual(Object.fromEntries(places.map(wanted)))

      await sandbox.ok('pull', 'runs:model.pt', '--tensor', '*', '-o', 'pt.safetensors')
      const floats = (...values: number[]): string => digest(Buffer.from(Float32Array.from(values).buffer))
      expect(readWithPython(sandbox.in('pt.safetensors'))).toEqual({
        a: ['F32', [2, 3], floats(1, 2, 3, 4, 5, 6)],
        t: ['F32', [3, 2], floats(1, 4, 2, 5, 3, 6)],
      })
    }))

  test('without -o the file is named after the tensor, or after the stored file, and lies in the current folder', () =>
    withSandbox(async sandbox => {
      await pushModel(sandbox)
      const take = async (...more: string[]): Promise<string> =>
        (await sandbox.json<{ output: string }>('pull', 'runs:model.safetensors', ...more)).output
      expect(await take('--tensor', 'layers.0.weight')).toBe(sandbox.in('layers.0.weight.safetensors'))
      expect(await take('--tensor', 'layers.0.*')).toBe(sandbox.in('model-tensors.safetensors'))
      expect(await take('--tensor', 'layers.0.weight', '--tensor', 'layers.1.weight', '--force')).toBe(
        sandbox.in('model-tensors.safetensors'),
      )
      expectError(await sandbox.run(['pull', 'runs:model.safetensors', '--tensor', 'layers.0.weight']), 8, /exists already/)
      expect(expectError(await sandbox.run(['pull', 'runs:model.safetensors', '--tensor', '../../x']), 5, /No tensor/).list).not.toEqual([])
    }))

  test('never overwrites without --force, leaves nothing half done, and says what is wrong', () =>
    withSandbox(async sandbox => {
      await pushModel(sandbox)
      const take = (...more: string[]) => sandbox.run(['pull', 'runs:model.safetensors', ...more])
      writeFileSync(sandbox.in('mine'), 'precious')
      expectError(await take('--tensor', '*', '-o', 'mine'), 8, /mine exists already/)
      expect(readFileSync(sandbox.in('mine'), 'utf8')).toBe('precious')
      const missing = expectError(
        await take('--tensor', 'layers.0.*', '--tensor', 'layer.1', '-o', 'new'),
        5,
        /No tensor of runs@.* matches "layer\.1"/,
      )
      expect([missing.list[0], missing.list.length]).toEqual(['layers.0.weight', 10])
      expectError(await take('-o', 'new'), 2, /-o only works with --tensor/)
      expectError(await take('out', '--tensor', '*', '-o', 'new'), 2, /can't be combined with a destination/)
      expectError(await take('--tensor', '*', '-o', 'runs'), 2, /runs is a folder/)
      expectError(await take('--tensor', '*', '-o', 'nowhere/new'), 5, /nowhere is not a folder/)
      expect((await take('--tensor', '*', '-o', 'new', '--dry-run')).stdout).toMatch(/^Dry run: would write 24 tensors from runs@/)

      // a store that loses a quarter of each pack of tensors, then all; the small pack is the manifest's
      const lose = (from: number, to: number, smallest: number): void => {
        for (const name of readdirSync(sandbox.store).filter(each => each.startsWith('pack-'))) {
          const pack = readFileSync(`${sandbox.store}/${name}`)
          if (pack.length < smallest) continue
          writeFileSync(`${sandbox.store}/${name}`, pack.fill(0, Math.floor(pack.length * from), Math.floor(pack.length * to)))
        }
      }
      lose(0.25, 0.5, 100_000)
      const partial = await take('--tensor', '*', '-o', 'some')
      expect([partial.code, partial.stdout], partial.stderr).toEqual([
        7,
        expect.stringMatching(/left out:\n *layers\.\d+\.\w+: damaged: /) as string,
      ])
      const taken = Object.entries(readWithPython(sandbox.in('some')))
      expect(taken.length).toBeGreaterThan(5)
      expect(taken.length).toBeLessThan(model.length)
      for (const [name, [, , sha]] of taken) expect(sha, name).toBe(digest(model.find(tensor => tensor.name === name)!.data))
      lose(0, 1, 0)
      expectError(await take('--tensor', '*', '-o', 'new'), 7, /damaged/)
      expect(existsSync(sandbox.in('new'))).toBe(false)
      expect(readdirSync(sandbox.path).filter(name => name.startsWith('.'))).toEqual([])
    }))

  test('--force replaces', () =>
    withSandbox(async sandbox => {
      await pushModel(sandbox)
      writeFileSync(sandbox.in('old'), 'old')
      await sandbox.ok('pull', 'runs:model.pt', '--tensor', 'a', '-o', 'old', '--force')
      expect(Object.keys(readWithPython(sandbox.in('old')))).toEqual(['a'])
    }))
})
