import { join } from 'node:path'
import type { Session } from './session.ts'

export const LOGIN_NAME = 'login.json'

/** The file that `auth login` writes. */
export function loginFile({ settings }: Pick<Session, 'settings'>): string {
  return join(settings.configFolder, LOGIN_NAME)
}
