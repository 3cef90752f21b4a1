import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { parseClientFile, type ClientFile } from '../../auth/credentials.ts'
import { ClientFileFinder, downloadsFolder, readClientFile, typedPath, type FoundClient } from '../../auth/find-client-file.ts'
import { localTime } from '../../ui/format.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { sleep } from '../../util/waiting.ts'
import type { Dialogue } from './dialogue.ts'
import { STEPS, type SetupStep } from './setup-steps.ts'

/** A file that was downloaded so long ago may still be meant. */
const RECENT_MS = 7 * 86_400_000

export interface MadeClient {
  client: ClientFile
  /** Its file; undefined if its content was pasted. */
  path: string | undefined
}

/** Opens a page in the browser. Undefined where there is none. */
export type OpenPage = ((url: string) => void) | undefined

/** Leads through Google's pages until there is a client. Its file can be named at any question. */
export async function makeClient(talk: Dialogue, open: OpenPage, environment: NodeJS.Dict<string>): Promise<MadeClient> {
  const finder = await askForDownloads(talk, open !== undefined, environment)
  const recent = finder && (await offerRecent(talk, finder))
  if (recent) return recent
  talk.say(
    '',
    'Have you made the client already? Then type the path of its JSON file at any',
    'question. Google renames its buttons now and then: take the nearest name.',
  )
  const steps = STEPS.filter(({ page }) => page !== undefined)
  for (const [index, step] of steps.entries()) {
    talk.say('', `Step ${index + 1}/${steps.length}: ${step.title}`, ...step.details.map(line => `   ${line}`))
    const made = await doStep(talk, step, open, index === steps.length - 1)
    if (made) return made
  }
  return waitForFile(talk, finder)
}

/** Undefined if the browser saves files elsewhere, or the user does not want it. */
async function askForDownloads(talk: Dialogue, isHere: boolean, environment: NodeJS.Dict<string>): Promise<ClientFileFinder | undefined> {
  const folder = downloadsFolder(process.platform, homedir(), environment.XDG_CONFIG_HOME)
  if (!isHere || !existsSync(folder)) return undefined
  talk.say('', 'In the last step you download a file, client_secret_....json.')
  const isAllowed = await talk.confirm(`May I look for it in ${folder}?`, true)
  return isAllowed ? new ClientFileFinder(folder) : undefined
}

async function offerRecent(talk: Dialogue, finder: ClientFileFinder): Promise<FoundClient | undefined> {
  const found = await finder.newest(Date.now() - RECENT_MS)
  if (found === undefined) return undefined
  talk.say('', `There is a client already: ${found.path}`, `   of ${localTime(found.changedAt)}, ${found.client.id}`)
  return (await talk.confirm('Log in with it?', true)) ? found : undefined
}

/** Undefined unless the file of the client was named. */
async function doStep(talk: Dialogue, { page }: SetupStep, open: OpenPage, isLast: boolean): Promise<MadeClient | undefined> {
  if (open === undefined) {
    talk.say('   Open this page in any browser:', `   ${page}`)
    return isLast ? undefined : askUntilDone(talk, '[Enter] when it is done, q quits: ')
  }
  const opens = await askForStep(talk, '[Enter] opens the page, s skips, q quits: ')
  if (opens === 'skip') return undefined
  if (opens !== 'go') return opens
  talk.say(`   Opening ${page}`)
  open(page!)
  return isLast ? undefined : askUntilDone(talk, '[Enter] when it is done: ')
}

async function askUntilDone(talk: Dialogue, question: string): Promise<MadeClient | undefined> {
  const answer = await askForStep(talk, question)
  return typeof answer === 'string' ? undefined : answer
}

async function askForStep(talk: Dialogue, question: string): Promise<MadeClient | 'go' | 'skip'> {
  for (;;) {
    const answer = await talk.ask(question)
    if (answer === '') return 'go'
    if (answer.toLowerCase() === 's') return 'skip'
    const named = readNamed(talk, answer)
    if (named) return named
  }
}

/** Waits for the file in the folder of downloads, and takes what is typed meanwhile. */
async function waitForFile(talk: Dialogue, finder: ClientFileFinder | undefined): Promise<MadeClient> {
  talk.say('')
  for (;;) {
    const came = finder
      ? await talk.askWhile(
          `Waiting for client_secret_....json in\n   ${finder.folder}\nYou can also type its path here, or drag it here. q quits.\n`,
          inner => finder.next(error => sayUnfit(talk, error), sleep, inner),
        )
      : { line: await talk.ask('Type the path of the downloaded file, or paste what is in it: ') }
    if ('came' in came) return came.came
    const named = came.line === '' ? undefined : readNamed(talk, came.line)
    if (named) return named
  }
}

function sayUnfit(talk: Dialogue, error: AppError): void {
  talk.sayError(error)
  talk.say('Still waiting for another file.')
}

/** The client of a file that somebody has named, or whose content somebody has pasted. */
export function readNamed(talk: Dialogue, answer: string): MadeClient | undefined {
  try {
    if (answer.startsWith('{')) return { client: parseClientFile(answer, 'What you pasted'), path: undefined }
    const path = typedPath(answer, homedir())
    if (!existsSync(path)) {
      talk.say(`There is no file ${path}.`)
      return undefined
    }
    return { client: readClientFile(path), path }
  } catch (error) {
    if (!isAppError(error, 'usage')) throw error
    talk.sayError(error)
    return undefined
  }
}
