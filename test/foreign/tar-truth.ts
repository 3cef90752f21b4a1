import { execFileSync } from 'node:child_process'

/** What is in a folder, by latin1 path: one line an entry. */
export type Picture = Record<string, string>

export interface Truth {
  ours: Picture
  gnu: Picture
  /** Of GNU tar. */
  code: number
  said: string
  python: Picture
  /** Why Python's tarfile did not read it; empty if it did. */
  pythonSaid: string
}

/**
 * Extracts `<i>.tar` of a folder, for each number i below `count`, with GNU tar and with Python's tarfile. Gives what
 * is there then, and what is in `ours/<i>`, where this program extracted it.
 */
export function truths(folder: string, count: number): Truth[] {
  const printed = execFileSync('python3', ['-c', PROGRAM, String(count)], {
    cwd: folder,
    encoding: 'utf8',
    maxBuffer: 2 ** 30,
    env: { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' },
  })
  return JSON.parse(printed) as Truth[]
}

/**
 * Modes without what the umask takes, times in whole seconds, hard links by the first of their names. Times that a
 * program did not set are those of today.
 */
const PROGRAM = `
import hashlib, json, os, stat, subprocess, sys, tarfile, time
os.umask(0o022)
def picture(root):
    found, first = {}, {}
    for folder, names, files in os.walk(os.fsencode(root)):
        for name in sorted(names + files):
            path = os.path.join(folder, name)
            key = os.path.relpath(path, os.fsencode(root)).decode('latin1')
            s = os.lstat(path)
            mtime = 'now' if s.st_mtime > time.time() - 86400 and s.st_mtime < time.time() + 86400 else str(s.st_mtime_ns // 10**9)
            if stat.S_ISLNK(s.st_mode): found[key] = 'link to ' + os.readlink(path).decode('latin1')
            elif stat.S_ISDIR(s.st_mode): found[key] = 'folder %o %s' % (s.st_mode & 0o755, mtime)
            elif stat.S_ISREG(s.st_mode):
                with open(path, 'rb') as f: sha = hashlib.sha1(f.read()).hexdigest()
                found[key] = 'file %o %s %d %s' % (s.st_mode & 0o755, mtime, s.st_size, sha)
                if s.st_nlink > 1: found[key] += ' is ' + first.setdefault(s.st_ino, key)
    return found
out = []
for i in range(int(sys.argv[1])):
    gnu, py = 'gnu/%d' % i, 'py/%d' % i
    os.makedirs(gnu); os.makedirs(py)
    run = subprocess.run(['tar', '-x', '--no-same-owner', '--no-same-permissions', '--delay-directory-restore', '--warning=no-timestamp', '-C', gnu, '-f', '-'], input=open('%d.tar' % i, 'rb').read(), capture_output=True)
    said = ''
    try:
        with tarfile.open('%d.tar' % i, 'r:', errors='surrogateescape') as t:
            t.extraction_filter = lambda member, path: member
            t.chown = lambda *a, **k: None
            t.extractall(py)
    except Exception as e: said = repr(e)
    out.append(dict(ours=picture('ours/%d' % i), gnu=picture(gnu), code=run.returncode, said=run.stderr.decode('latin1'), python=picture(py), pythonSaid=said))
json.dump(out, sys.stdout)
`
