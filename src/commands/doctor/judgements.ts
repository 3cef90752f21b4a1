import type { CredentialChoice } from '../../auth/choose.ts'
import { shortScope } from '../../auth/credentials.ts'
import { checkConfig } from '../../repository/format/config.ts'
import { CONFIG_NAME, describeMisplaced, isOurs, MISPLACED_HINT, type Inventory } from '../../repository/format/object-names.ts'
import type { TrashedObjects } from '../../repository/prune/empty-trash.ts'
import { MAX_OBJECT_BYTES, type Quota } from '../../storage/storage.ts'
import { formatDuration, formatRemaining, plural, localTime } from '../../ui/format.ts'
import { newerFormat } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import type { Store } from '../shared/store.ts'
import { amountOf, howToEmpty } from '../shared/trash-report.ts'
import { whyNotWritable } from '../shared/writable.ts'
import { attention, ok, problem, type Finding } from './checks.ts'

/** Below this much free space (bytes), doctor warns. */
const LITTLE_SPACE = 1_000_000_000
/**
 * A clock that is wrong by more (ms) leads to confusing times. If it is wrong by minutes, Google refuses the logins of
 * service accounts.
 */
const CLOCK_OFF_MS = 60_000
/** The coarsest resolution of times (ms): Drive has whole seconds, and file systems are no coarser. */
const COARSE_CLOCK_MS = 1_000

export function judgeNoLogin(wantsDrive: boolean): Finding {
  if (!wantsDrive) return ok('nobody is logged in to Google Drive; not needed for a folder')
  return attention('Nobody is logged in to Google Drive.', 'Run `colab-escape auth login`, or name a folder with --store.')
}

export function judgeLogin({ source, origin, note }: CredentialChoice, loginEnds: number | undefined, now: number): Finding {
  const { expiresAt = Infinity, scope } = source.last ?? {}
  const ends = expiresAt === Infinity ? '' : `; its token ends in ${formatRemaining(expiresAt - now)}`
  const who = `${source.description}, from ${origin}${ends}`
  const reach = shortScope(scope)
  if (note !== undefined) return attention(who, note)
  if (scope !== undefined && reach === '')
    return problem(`${who}: it has no access to Drive.`, 'Run `colab-escape auth login` and leave the box for Google Drive ticked.')
  if (loginEnds !== undefined)
    return attention(
      `${who}; the login ends at ${localTime(loginEnds)}, because its OAuth client is in "testing".`,
      'Publish the client: `colab-escape auth setup` shows where.',
    )
  if (reach === 'drive.file')
    return attention(
      `${who}: it sees only files made by its own OAuth client, not those pushed from Colab.`,
      'If something is missing, run `colab-escape auth login` (its default scope sees all files).',
    )
  return ok(who)
}

/** Whether there is a repository that this program can use. */
export async function judgeStore(store: Store, inventory: Inventory, signal: AbortSignal): Promise<Finding> {
  const { location } = store.storage
  const { hasConfig, empty, features, snapshots, mangled, misplaced } = inventory
  if (store.kind === 'folder' && !hasConfig) {
    const strangers = await store.folder.strangers(isOurs, 1)
    if (strangers.length > 0) return foreign(location, strangers[0]!)
  }
  if (empty && inventory.foreign > 0) return foreign(location, plural(inventory.foreign, 'other file'))
  const unwritable = store.kind === 'folder' ? await whyNotWritable(store.path) : undefined
  if (empty) {
    if (unwritable !== undefined)
      return problem(`${location} holds no repository and can't be written to (${unwritable}).`, 'Use another place with --store.')
    return attention(
      `${location} holds no repository yet.`,
      'The first `colab-escape push <path>` creates one. If there should be one already, check --store.',
    )
  }
  if (features.length > 0) throw newerFormat(`The repository in ${location}`)
  if (hasConfig) checkConfig(await store.storage.get(CONFIG_NAME, undefined, { signal }), location)
  else return attention(`${location} has no config.json any more.`, 'The next push writes it again.')
  if (mangled.length > 0)
    return attention(
      `${location} contains ${plural(mangled.length, 'object')} under a name that another program changed, such as ${mangled[0]!.name}.`,
      'Run `colab-escape repair`.',
    )
  if (misplaced.length > 0) return attention(`${describeMisplaced(misplaced[0]!.name)}.`, MISPLACED_HINT)
  if (unwritable !== undefined)
    return attention(`${location} can be read, but not written (${unwritable}).`, 'Fix its permissions before the next push.')
  const names = new Set(snapshots.map(({ name }) => name)).size
  return ok(`${location}: a repository with ${plural(snapshots.length, 'version')} of ${plural(names, 'name')}`)
}

function foreign(location: string, files: string): Finding {
  return problem(`${location} is not a repository and contains other files (${files}).`, 'Name an empty or a new folder with --store.')
}

/** `asOf` is the store's time at some moment between our times `began` and `ended`; all in ms since 1970. */
export function judgeClock(asOf: number, began: number, ended: number): Finding {
  const ahead = asOf < began - COARSE_CLOCK_MS ? began - asOf : asOf > ended + COARSE_CLOCK_MS ? ended - asOf : 0
  if (Math.abs(ahead) < CLOCK_OFF_MS) return ok("agrees with the store's")
  return attention(
    `This machine's clock is ${formatDuration(Math.abs(ahead))} ${ahead > 0 ? 'ahead of' : 'behind'} the store's.`,
    "Set the clock, e.g. by turning on automatic time. Versions keep their order, because they use the store's clock.",
  )
}

export function judgeSpace({ used, limit }: Quota): Finding {
  if (used === undefined || limit === undefined) return ok(used === undefined ? 'no limit is known' : `${formatBytes(used)} used, no limit`)
  const free = Math.max(0, limit - used)
  const message = `${formatBytes(free)} of ${formatBytes(limit)} free`
  if (free < MAX_OBJECT_BYTES)
    return problem(`Only ${message}: too little for a push.`, 'Free some space there (on Drive, empty its trash too).')
  if (free < LITTLE_SPACE)
    return attention(`Only ${message}.`, 'Free some space there (on Drive, empty its trash too) before the next large push.')
  return ok(message)
}

export function judgeTrash(trashed: TrashedObjects): Finding {
  const message = `${amountOf(trashed)} of the repository are in Drive's trash and still take space. Versions may need some of it.`
  return attention(message, howToEmpty(trashed))
}

/** Pitfalls of notebooks. `folder` is the current folder. */
export function judgeColab(store: Store | undefined, folder: string, inColab: boolean): Finding | undefined {
  if (store?.kind === 'folder' && store.mounted)
    return attention(
      'The store is on a mounted Drive: data written there reaches Drive later.',
      'Run drive.flush_and_unmount() in a cell before you leave, or use --store drive:, which knows when data has arrived.',
    )
  if (!inColab) return undefined
  if (store?.kind === 'folder')
    return attention(
      "The store is on this notebook's own disk, which is wiped when the session ends.",
      'Use --store drive: (after auth.authenticate_user() in a cell).',
    )
  if (folder.startsWith('/content/drive/'))
    return attention(
      'This folder is on a mounted Drive, where reading many small files is slow.',
      'Keep the data under /content, and push it from there.',
    )
  return ok("this notebook's disk is wiped when the session ends: push what you want to keep")
}
