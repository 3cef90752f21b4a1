import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { RepositoryContext } from '../../src/repository/open/open.ts'
import type { PushRequest } from '../../src/repository/push/push.ts'
import { startDriveEmulator, type DriveEmulator, type EmulatorOptions } from '../drive-emulator/emulator.ts'
import { FOLDER, sizeOf, type DriveFile } from '../drive-emulator/file-store.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'
import { expectSameTree, makeTree, pictureOf, type TreeNode, type TreePicture } from '../helpers/trees.ts'
import { machine } from './machine.ts'

/** A folder that is pushed to a Drive that may hold an older version of it. */
export class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'colab-escape-drive-'))
  readonly source = join(this.folder, 'data')
  /** What the versions that are there, newest first, must come back as. */
  readonly old: TreePicture[] = []
  private readonly repository = join(this.folder, 'repository')
  private outs = 0

  constructor(tree: Record<string, TreeNode>) {
    makeTree(this.source, tree)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Makes what is in the source now a version that every Drive of this scene holds from its start. */
  async publish(change: Record<string, TreeNode>, more: Partial<PushRequest> = {}): Promise<void> {
    await this.withDrive(async emulator => {
      await pushFolder(machine(emulator), this.source, 'data', more)
      await emulator.exportTo(this.repository)
    })
    this.old.unshift(pictureOf(this.source))
    makeTree(this.source, change)
  }

  /** Gives `use` a Drive as it was before the run that matters. */
  async withDrive<T>(use: (emulator: DriveEmulator) => Promise<T>, options: EmulatorOptions = {}): Promise<T> {
    const emulator = await startDriveEmulator(options)
    try {
      if (this.old.length > 0) await emulator.importFrom(this.repository)
      return await use(emulator)
    } finally {
      await emulator.close()
    }
  }

  out(): string {
    return join(this.folder, `out-${this.outs++}`)
  }

  /** Expects that nothing in a repository is damaged, and that these versions, newest first, come back exact. */
  async expectSound(context: RepositoryContext, versions: readonly TreePicture[]): Promise<void> {
    const { problems, affected, packs, packsRead } = await checkAll(context)
    expect([problems, affected, packsRead]).toEqual([[], [], packs])
    for (const [back, expected] of versions.entries()) {
      const out = this.out()
      const { damaged } = await pullVersion(context, `data~${back}`, out)
      expect(damaged).toEqual([])
      expectSameTree(out, expected)
      rmSync(out, { recursive: true })
    }
  }
}

/** Files in any folder below My Drive. */
export const objectsOf = (emulator: DriveEmulator): DriveFile[] =>
  [...emulator.files.values()].filter(file => file.parent !== undefined && file.mimeType !== FOLDER)

export const bytesOn = (emulator: DriveEmulator): number => objectsOf(emulator).reduce((sum, file) => sum + sizeOf(file), 0)

/** What is on the Drive, to be looked at without any request. */
export async function copyOf(emulator: DriveEmulator): Promise<RepositoryContext> {
  expectNothingTwice(emulator)
  const copy = new MemoryStorage()
  for (const { name, content } of objectsOf(emulator)) await copy.put(name, content!.bytes)
  return contextOf(copy)
}

/** Names that more than one file or folder bears, in whatever folder. */
export function namesTwice(emulator: DriveEmulator): string[] {
  const names = [...emulator.files.values()].filter(file => file.parent !== undefined).map(file => file.name)
  return [...new Set(names.filter((name, at) => names.indexOf(name) !== at))].sort()
}

export function expectNothingTwice(emulator: DriveEmulator): void {
  expect(namesTwice(emulator)).toEqual([])
}
