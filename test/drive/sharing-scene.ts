import { join } from 'node:path'
import { behavioursOf } from '../drive-emulator/behaviours.ts'
import { idOf, type DriveClient } from '../drive-emulator/client.ts'
import type { DriveEmulator, EmulatorOptions } from '../drive-emulator/emulator.ts'
import { FOLDER, SHORTCUT, type DriveFile } from '../drive-emulator/file-store.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'
import { InBrowser } from './in-browser.ts'

export const ME = 'someone@example.com'
export const ANNA = 'anna@example.com'
const ALL = { supportsAllDrives: 'true' }

/** One of two people can't read what Google's scanner holds for abusive: only its owner can. */
export const NOTHING_ABUSIVE: EmulatorOptions = { behaviours: { ...behavioursOf(undefined), abusiveBelow: 0 } }

/** A Drive of two people, each with a machine. Both have a folder `data`. */
export interface Sharing {
  emulator: DriveEmulator
  /** What they do in the browser. */
  me: DriveClient
  anna: DriveClient
  mine: DriveSandbox
  hers: DriveSandbox
  makeFolder: (client: DriveClient, name: string, parent?: string) => Promise<string>
  makeShortcut: (client: DriveClient, name: string, target: string, parent?: string) => Promise<string>
  /** Files and folders in my own My Drive, at any depth. */
  mineOnDrive: () => string[]
}

/** One of several machines. Each begins when Drive has shown everywhere what the one before it did. */
class Turns extends DriveSandbox {
  private static readonly last = new WeakMap<DriveEmulator, string>()

  override withStore(store: string): Turns {
    return new Turns(this.emulator, this.path, this.login, store)
  }

  override run(...given: Parameters<DriveSandbox['run']>): ReturnType<DriveSandbox['run']> {
    if (Turns.last.get(this.emulator) !== this.path) this.emulator.drive.conduct.settle()
    Turns.last.set(this.emulator, this.path)
    return super.run(...given)
  }
}

export function withSharing(use: (sharing: Sharing) => Promise<void>): Promise<void> {
  return withDrive(NOTHING_ABUSIVE, emulator =>
    withFolder(async folder => {
      emulator.addUser(ANNA)
      const [me, anna] = [new InBrowser(emulator), new InBrowser(emulator, ANNA)]
      for (const [at, person] of ['me', 'anna'].entries())
        makeTree(join(folder, person, 'data'), {
          'own.bin': { file: seededNoise(at + 1, 50_000), mtime: '1700000000' },
          'notes.txt': { file: `notes of ${person}`, mtime: '1700000000' },
        })
      const below = (parent: string, above: string): string[] =>
        emulator.drive.store
          .childrenOf(parent)
          .flatMap((file: DriveFile) => [`${above}${file.name}`, ...below(file.id, `${above}${file.name}/`)])
      await use({
        emulator,
        me,
        anna,
        mine: new Turns(emulator, join(folder, 'me')),
        hers: new Turns(emulator, join(folder, 'anna'), emulator.issueToken({ user: ANNA })),
        makeFolder: async (client, name, parent) =>
          idOf(await client.create({ name, mimeType: FOLDER, ...(parent === undefined ? {} : { parents: [parent] }) }, ALL)),
        makeShortcut: async (client, name, targetId, parent) =>
          idOf(
            await client.create(
              { name, mimeType: SHORTCUT, shortcutDetails: { targetId }, ...(parent === undefined ? {} : { parents: [parent] }) },
              ALL,
            ),
          ),
        mineOnDrive: () => below(emulator.accounts.user(undefined).rootId, '').sort(),
      })
    }),
  )
}
