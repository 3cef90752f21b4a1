import { readAccount } from '../../auth/account.ts'
import type { CredentialChoice } from '../../auth/choose.ts'
import { readLogin } from '../../auth/token-file.ts'
import { takeInventory } from '../../repository/format/object-names.ts'
import { findTrashedObjects } from '../../repository/prune/empty-trash.ts'
import type { Listing } from '../../storage/storage.ts'
import type { Trash } from '../../storage/trash.ts'
import { formatDuration } from '../../ui/format.ts'
import { isAppError } from '../../util/errors.ts'
import { silentReporter } from '../../util/reporter.ts'
import { describeChoice, describeStore, givenStore, type ChosenStore } from '../shared/chosen-store.ts'
import { authContext, sessionCredentials } from '../shared/credentials.ts'
import { loginFile } from '../shared/login-file.ts'
import { openStore, placeOf, storeChoice, type Store, type StoreSession } from '../shared/store.ts'
import { attention, ok, type DoctorCheck } from './checks.ts'
import { judgeClock, judgeColab, judgeLogin, judgeNoLogin, judgeSpace, judgeStore, judgeTrash } from './judgements.ts'

/** The check of the store tells what is wrong with a choice. */
function isDriveChosen(session: StoreSession): boolean {
  try {
    const given = givenStore(session)
    return given === undefined || placeOf(given.location) !== undefined
  } catch {
    return false
  }
}

/** Checks of the login and the store. Later checks use the results of earlier ones, and say nothing if those failed. */
export function storeChecks(session: StoreSession, folder: string): DoctorCheck[] {
  let credentials: CredentialChoice | undefined
  let chosen: ChosenStore | undefined
  let store: Store | undefined
  let trash: Trash | undefined
  let listing: { found: Listing; began: number; ended: number } | undefined
  const context = authContext(session)
  const wantsDrive = isDriveChosen(session)

  return [
    {
      name: 'login',
      run: async signal => {
        try {
          credentials = await sessionCredentials(session, context)
        } catch (error) {
          if (wantsDrive || !isAppError(error)) throw error
          return attention(error.message, `${error.hint ?? ''} A folder needs no login.`.trim())
        }
        if (credentials === undefined) return judgeNoLogin(wantsDrive)
        if (!wantsDrive) return ok(`${credentials.source.description}, from ${credentials.origin}; not needed for a folder`)
        await credentials.source.getToken({ signal })
        const login = credentials.kind === 'saved-login' ? await readLogin(loginFile(session)) : undefined
        return judgeLogin(credentials, login?.endsAt, context.now())
      },
    },
    {
      name: 'store',
      run: async signal => {
        const quiet = { ...session, signal, console: { ...session.console, reporter: silentReporter } }
        chosen = await storeChoice(quiet)
        store = await openStore(quiet, chosen.location)
        trash = quiet.trash
        const began = context.now()
        const found = await store.storage.list({ signal })
        listing = { found, began, ended: context.now() }
        return judgeStore(store, takeInventory(found), signal)
      },
    },
    {
      name: 'chosen by',
      run: () => {
        if (chosen === undefined || (chosen.by === 'argument' && chosen.name === undefined)) return undefined
        return ok(chosen.name === undefined ? describeChoice(chosen) : `${describeChoice(chosen)}: ${describeStore(chosen)}`)
      },
    },
    {
      name: 'drive',
      run: async signal => {
        if (store?.kind !== 'drive' || credentials === undefined) return undefined
        const began = performance.now()
        const { email } = await readAccount(context, credentials.source, signal)
        return ok(`Google Drive of ${email} answers in ${formatDuration(performance.now() - began)}`)
      },
    },
    {
      name: 'clock',
      run: () => (listing === undefined ? undefined : judgeClock(listing.found.asOf, listing.began, listing.ended)),
    },
    {
      name: 'space',
      run: async signal => (store === undefined ? undefined : judgeSpace(await store.storage.quota({ signal }))),
    },
    {
      name: 'trash',
      run: async signal => {
        if (trash === undefined || listing === undefined) return undefined
        const trashed = await findTrashedObjects(trash, { signal })
        return trashed.objects === 0 ? ok('holds nothing of the repository') : judgeTrash(trashed)
      },
    },
    { name: 'colab', run: () => judgeColab(store, folder, session.settings.colab) },
  ]
}
