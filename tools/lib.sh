# Shared by the entry commands (check, demo, bench), tools/guests and the lab. Source it, do not run it:
#   . "$(dirname "$0")/tools/lib.sh"
# Needs bash. Everything here says what it does on standard error and leaves standard output to its caller.
# shellcheck shell=bash

BATON_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -z "${BATON_CACHE:-}" ]; then
	if [ "$(id -u)" = 0 ]; then
		BATON_CACHE=/var/cache/baton
	else
		BATON_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/baton
	fi
fi
export BATON_CACHE

say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# --- Debian's archive ------------------------------------------------------------------------------------------------

# Prints "URI CODENAME KEYRING" of the machine's own Debian archive, from deb822 or one-line sources; KEYRING may be "-".
debian_archive() {
	local codename
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	[ -n "$codename" ] || die "this machine's /etc/os-release names no Debian release"
	cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v codename="$codename" '
		function flush() {
			if (types ~ /(^| )deb( |$)/ && (" " suites " ") ~ (" " codename " ") && uri != "" && !done) {
				print uri, codename, (key == "" ? "-" : key)
				done = 1
			}
			types = uri = suites = key = ""
		}
		/^[ \t]*$/ { flush(); next }
		/^Enabled:[ \t]*no/ { types = "" ; next }
		/^Types:/ { sub(/^[^:]*:[ \t]*/, ""); types = $0 }
		/^URIs:/ { uri = $2 }
		/^Suites:/ { sub(/^[^:]*:[ \t]*/, ""); suites = $0 }
		/^Signed-By:[ \t]*\// { key = $2 }
		END { flush() }' | grep . && return 0
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk -v codename="$codename" '
		$1 == "deb" {
			key = "-"
			if (match($0, /signed-by=[^] ]+/)) {
				key = substr($0, RSTART + 10, RLENGTH - 10)
			}
			sub(/\[[^]]*\]/, "")
			if ($3 == codename) {
				print $2, $3, key
				exit
			}
		}' | grep . && return 0
	die "no Debian archive for '$codename' in /etc/apt/sources.list or /etc/apt/sources.list.d"
}

# Sets APT (an array: apt-get with a state of its own in the folder $1) that knows the release and its backports, and
# nothing of what is installed. Nothing of the machine is changed by it.
apt_private() {
	local folder=$1 uri codename key options=
	local archive
	archive=$(debian_archive) || exit 1
	read -r uri codename key <<<"$archive"
	[ "$key" = - ] || options="[signed-by=$key] "
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	: >"$folder/status"
	printf 'deb %s%s %s main\n' "$options" "$uri" "$codename" "$options" "$uri" "$codename-backports" \
		>"$folder/sources.list"
	APT=(apt-get -q -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null
		-o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o "Dir::State::status=$folder/status"
		-o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3)
	APT_CACHE=(apt-cache "${APT[@]:2}")
}
