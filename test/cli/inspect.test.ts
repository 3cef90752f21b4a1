import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { safetensors, type Entry } from '../chunking/layouts/writers.ts'
import { expectError, resultOf, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { checkpointIndex } from '../tensors/checkpoint-files.ts'
import { runInPty } from '../helpers/pty.ts'
import { seededNoise } from '../helpers/seeded.ts'

const MiB = 1024 * 1024

interface Listed {
  format: string
  parameters: number
  bytes: number
  metadata: Record<string, string>
  tensors: { name: string; dtype: string; shape: number[]; parameters: number; bytes: number }[]
  requests: Record<string, number>
}

interface Compared {
  tensors: { kind: string; name: string; maxAbs?: number; changed?: number }[]
  requests: Record<string, number>
}

/** A model of so many layers of 1 MiB, and small tensors between them. */
function layers(count: number): Entry[] {
  return Array.from({ length: count }, (_, i): Entry[] => [
    { name: `model.layers.${i}.self_attention.query_projection.weight`, dtype: 'F32', shape: [512, 512], data: seededNoise(i + 1, MiB) },
    { name: `model.layers.${i}.norm.weight`, dtype: 'BF16', shape: [512], data: seededNoise(i + 100, 1024) },
  ]).flat()
}

function write(sandbox: Sandbox, path: string, bytes: Uint8Array): void {
  mkdirSync(sandbox.in(path, '..'), { recursive: true })
  writeFileSync(sandbox.in(path), bytes)
}

describe('inspect lists', () => {
  test('a local file without any store or login', () =>
    withSandbox(async sandbox => {
      write(sandbox, 'model.safetensors', safetensors(layers(2)))
      const listed = await sandbox.json<Listed>('inspect', 'model.safetensors')
      expect(listed).toMatchObject({ format: 'safetensors', parameters: 2 * (512 * 512 + 512), metadata: { format: 'pt' }, requests: {} })
      expect(listed.tensors[1]).toEqual({ name: 'model.layers.0.norm.weight', dtype: 'BF16', shape: [512], parameters: 512, bytes: 1024 })
      const { stdout } = await sandbox.ok('inspect', 'model.safetensors')
      expect(stdout).toMatch(/^model\.safetensors: safetensors, 2\.10 MB\n {2}format: pt\n/)
      expect(stdout).toMatch(/^model\.layers\.1\.norm\.weight +BF16 +\[512\] +512 +1\.02 kB$/m)
      expect(stdout.trimEnd().split('\n').at(-1)).toBe('4 tensors, 525,312 parameters: 524,288 F32, 1,024 BF16')
      expect(existsSync(sandbox.store)).toBe(false)
    }))

  test('how many parameters a model has, and how many its optimizer', () =>
    withSandbox(async sandbox => {
      const [weight, norm] = layers(1)
      write(sandbox, 'last.safetensors', safetensors([weight!, norm!, { ...norm!, name: 'optimizer.state.0.exp_avg' }]))
      const { stdout } = await sandbox.ok('inspect', 'last.safetensors')
      expect(stdout.trimEnd().split('\n').slice(-2)).toEqual([
        '3 tensors, 263,168 parameters: 262,144 F32, 1,024 BF16',
        'of them 262,656 in model.*, 512 in optimizer.*',
      ])
    }))

  test('a stored file by a few requests, whatever its size', () =>
    withSandbox(async sandbox => {
      write(sandbox, 'runs/exp/model.safetensors', safetensors(layers(20)))
      await sandbox.ok('push', 'runs')
      const listed = await sandbox.json<Listed>('inspect', 'runs:exp/model.safetensors')
      expect(listed.tensors).toHaveLength(40)
      // config, index, snapshot, manifest, and one range with the header
      expect(listed.requests['get']).toBeLessThanOrEqual(6)
    }))

  test('in 80 columns, with names shortened and no number', () =>
    withSandbox(async sandbox => {
      write(
        sandbox,
        'model.safetensors',
        safetensors([...layers(1), { name: 'x'.repeat(200), dtype: 'U8', shape: [3], data: Buffer.alloc(3) }]),
      )
      const program = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))
      const { output } = await runInPty(process.execPath, [program, 'inspect', sandbox.in('model.safetensors')], {
        size: { columns: 80, rows: 24 },
      })
      const lines = output.trimEnd().split('\r\n')
      expect(lines.filter(line => line.length > 80)).toEqual(
        [`${sandbox.in('model.safetensors')}: safetensors, 1.05 MB`].filter(line => line.length > 80),
      )
      expect(output).toContain('[512, 512]     262,144  1.05 MB')
    }))

  test('nothing of what is damaged, missing or something else', () =>
    withSandbox(async sandbox => {
      const bytes = safetensors(layers(1))
      write(sandbox, 'runs/cut.safetensors', bytes.subarray(0, 5000))
      write(sandbox, 'runs/notes.txt', Buffer.from('just a few notes'))
      await sandbox.ok('push', 'runs')
      for (const where of ['runs/', 'runs:']) {
        expectError(
          await sandbox.run(['inspect', `${where}cut.safetensors`]),
          7,
          /cut\.safetensors is damaged: a tensor lies outside of it/,
        )
        expectError(await sandbox.run(['inspect', `${where}notes.txt`]), 1, /notes\.txt is not a file with tensors of a known format/)
        expectError(await sandbox.run(['inspect', `${where}nothing.pt`]), 5, /nothing\.pt/)
      }
      // the only model in it is meant
      expectError(await sandbox.run(['inspect', 'runs']), 7, /cut\.safetensors is damaged/)
      write(sandbox, 'runs/other.safetensors', bytes)
      expectError(await sandbox.run(['inspect', 'runs']), 2, /runs is a folder with several models/)
    }))

  test('a SavedModel and a TensorFlow checkpoint, stored or not, by their folder or their prefix', () =>
    withSandbox(async sandbox => {
      const index = checkpointIndex([{ name: 'kernel', dataType: 1, shape: [2], offset: 4, length: 8 }])
      const data = Buffer.from('....12345678')
      write(sandbox, 'runs/saved/saved_model.pb', Buffer.from('graph'))
      write(sandbox, 'runs/saved/variables/variables.index', index)
      write(sandbox, 'runs/saved/variables/variables.data-00000-of-00001', data)
      write(sandbox, 'runs/many/ckpt-5.index', index)
      write(sandbox, 'runs/many/ckpt-5.data-00000-of-00001', data)
      write(sandbox, 'runs/many/ckpt-6.index', checkpointIndex([]))
      await sandbox.json('push', 'runs')
      for (const model of ['runs/saved', 'runs:saved', 'runs:saved/variables', 'runs:many/ckpt-5']) {
        const listed = await sandbox.json<Listed>('inspect', model)
        expect(listed.tensors.map(({ name, shape }) => [name, shape])).toEqual([['kernel', [2]]])
      }
      await sandbox.json('push', 'runs/saved', '--name', 'whole')
      for (const model of ['whole:', 'runs:many/ckpt-5']) {
        await sandbox.json('pull', model, '--tensor', '*', '-o', 'part.safetensors', '--force')
        expect(readFileSync(sandbox.in('part.safetensors')).subarray(-8).toString()).toBe('12345678')
      }
      expectError(await sandbox.run(['inspect', 'runs:many/ckpt-7']), 5, /"many\/ckpt-7" is not in/)
    }))

  test('a model in shards, stored or not, as one; pointers of Git LFS are told by push and by inspect', () =>
    withSandbox(async sandbox => {
      const model = layers(2)
      const names = model.map(({ name }) => name)
      const shards = [1, 2, 3].map(i => `model-0000${i}-of-00003.safetensors`) as [string, string, string]
      write(sandbox, `runs/${shards[0]}`, safetensors(model.slice(0, 2)))
      write(sandbox, `runs/${shards[1]}`, safetensors(model.slice(2)))
      write(sandbox, `runs/${shards[2]}`, safetensors([]))
      const map = Object.fromEntries(names.map((name, i) => [name, shards[i < 2 ? 0 : 1]]))
      write(sandbox, 'runs/model.safetensors.index.json', Buffer.from(JSON.stringify({ weight_map: { ...map, lost: 'gone.bin' } })))
      const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 438000000\n`
      for (const name of ['a.bin', 'b.bin', 'c.bin', 'd.bin']) write(sandbox, `runs/lfs/${name}`, Buffer.from(pointer))
      const pushed = await sandbox.ok('push', 'runs')
      expect(pushed.stderr).toMatch(
        /Only pointers of Git LFS are here.*: lfs\/a\.bin, lfs\/b\.bin, lfs\/c\.bin and 1 more\. .*git lfs pull/,
      )
      expectError(await sandbox.run(['inspect', 'runs/lfs/a.bin']), 1, /a pointer of Git LFS, not the file of 438 MB/)
      for (const where of ['runs', 'runs:', 'runs:model.safetensors.index.json']) {
        const { code, stdout } = await sandbox.run(['inspect', where, '--json'])
        const listed = JSON.parse(stdout.trim().split('\n').at(-1)!) as Listed & { shards: number; missingShards: string[] }
        expect(code).toBe(3)
        expect(listed.tensors.map(({ name }) => name)).toEqual([...names, 'lost'])
        expect([listed.shards, listed.missingShards]).toEqual([2, ['gone.bin']])
        expect(stdout).toMatch(/lacks 1 shard: gone\.bin/)
      }
      const { code, stdout } = await sandbox.run(['pull', 'runs:', '--tensor', '*', '-o', 'all.safetensors'])
      expect([code, stdout]).toEqual([
        3,
        expect.stringMatching(/Wrote 4 tensors[^]*1 tensor left out:\nlost: its shard gone\.bin is missing/),
      ])
      const compared = await sandbox.json<Compared>('inspect', 'all.safetensors', `runs:${shards[0]}`)
      expect(compared.tensors.map(({ kind }) => kind).sort()).toEqual(['identical', 'identical', 'removed', 'removed'])
    }))
})

describe('inspect compares', () => {
  test('two versions without reading what hashes tell to be equal', () =>
    withSandbox(async sandbox => {
      const model = layers(24)
      write(sandbox, 'runs/model.safetensors', safetensors(model))
      await sandbox.ok('push', 'runs')
      const weight = Buffer.from(model[10]!.data)
      weight.writeFloatLE(0.5, 400)
      model[10] = { ...model[10]!, data: weight }
      write(sandbox, 'runs/model.safetensors', safetensors(model))
      await sandbox.ok('push', 'runs')
      const compared = await sandbox.json<Compared>('inspect', 'runs~1:model.safetensors', 'runs:model.safetensors')
      expect(compared.tensors.filter(({ kind }) => kind !== 'identical')).toMatchObject([
        { kind: 'changed', name: 'model.layers.5.self_attention.query_projection.weight', changed: 1 },
      ])
      expect(compared.tensors).toHaveLength(48)
      // 24 MiB in either: the headers, and the chunk that changed
      expect(compared.requests['get']).toBeLessThanOrEqual(12)
    }))

  test('a stored file with a local one, and tells people what the marks mean', () =>
    withSandbox(async sandbox => {
      const numbers = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)
      const entry = (name: string, data: Buffer): Entry => ({ name, dtype: 'F32', shape: [data.length / 4], data })
      write(
        sandbox,
        'runs/model.safetensors',
        safetensors([entry('a', numbers(1, 2)), entry('b', numbers(1, NaN)), entry('c', numbers(1))]),
      )
      await sandbox.ok('push', 'runs')
      write(sandbox, 'new.safetensors', safetensors([entry('a', numbers(1, 2)), entry('b', numbers(1.5, 3)), entry('d', numbers(1))]))
      const { stdout } = await sandbox.ok('inspect', 'runs:model.safetensors', 'new.safetensors')
      const lines = stdout.trimEnd().split('\n')
      expect(lines[0]).toMatch(/^runs@[0-9a-f]{8}:model\.safetensors -> new\.safetensors$/)
      expect(lines.slice(1).map(line => line.trimEnd())).toEqual([
        '   name  dtype  shape  changed  max abs',
        'M  b       F32    [2]     100%    0.500',
        '-  c       F32    [1]',
        '+  d       F32    [1]',
        '4 tensors: 1 identical, 1 changed (M), 1 only before (-), 1 only after (+)',
        '1 changed number with NaN or infinity on one side, not included in max abs',
      ])
      write(sandbox, 'trained.safetensors', safetensors([entry('model.a', numbers(1, 2)), entry('model.c', numbers(2))]))
      const export_ = await sandbox.ok('inspect', 'trained.safetensors', 'runs:model.safetensors')
      expect(export_.stdout.trimEnd().split('\n').slice(-2)).toEqual([
        '3 tensors: 1 identical, 1 changed (M), 1 only after (+)',
        'names of the first model are compared without the prefix "model."',
      ])
      const same = await sandbox.run(['inspect', 'new.safetensors', 'new.safetensors', '--json'])
      expect(resultOf<Compared>(same).tensors.map(({ kind }) => kind)).toEqual(['identical', 'identical', 'identical'])
    }))
})
