# SPDX-License-Identifier: MIT
# bash completion for batonctl; names of guests come from the running seat.

_batonctl_guests()
{
	batonctl "${socket[@]}" list 2>/dev/null | awk 'NR > 1 { sub(/^[* ] /, ""); print $2 }'
}

_batonctl_cards()
{
	batonctl "${socket[@]}" gpu list 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_batonctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= i
	local commands="list status watch focus next back switcher screenshot start shutdown kill reset
		pause resume quit reload volume microphone gpu doctor key type click move wheel record replay"
	local -a socket=()

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket)
			socket=(--socket "${COMP_WORDS[++i]}")
			;;
		-*) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	if [[ $before == --socket ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	fi
	case $command in
	'')
		mapfile -t COMPREPLY < <(compgen -W "$commands --socket --json --help --version" -- "$word")
		;;
	focus | start | shutdown | kill | reset | pause | resume)
		mapfile -t COMPREPLY < <(compgen -W "$(_batonctl_guests)" -- "$word")
		;;
	switcher)
		mapfile -t COMPREPLY < <(compgen -W "on off toggle" -- "$word")
		;;
	screenshot)
		if [[ $before == --guest ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_batonctl_guests)" -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -W "--guest" -- "$word"; compgen -f -- "$word")
		fi
		;;
	doctor)
		mapfile -t COMPREPLY < <(compgen -W "--json --config= --guests= --cards= --runtime=" -- "$word")
		;;
	list | status | watch)
		mapfile -t COMPREPLY < <(compgen -W "--json" -- "$word")
		;;
	quit)
		mapfile -t COMPREPLY < <(compgen -W "--guests" -- "$word")
		;;
	volume | microphone)
		if [[ $before == "$command" ]]; then
			mapfile -t COMPREPLY < <(compgen -W "$(_batonctl_guests)" -- "$word")
		elif [[ $command == volume ]]; then
			mapfile -t COMPREPLY < <(compgen -W "mute unmute +5 -5" -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -W "allow deny ask" -- "$word")
		fi
		;;
	gpu)
		case $before in
		gpu)
			mapfile -t COMPREPLY < <(compgen -W "list give take answer" -- "$word")
			;;
		give | --dark | --wait)
			mapfile -t COMPREPLY < <(compgen -W "$(_batonctl_guests) --dark --wait" -- "$word")
			;;
		*)
			mapfile -t COMPREPLY < <(compgen -W "$(_batonctl_cards) wait reset kill abort" \
				-- "$word")
			;;
		esac
		;;
	key)
		mapfile -t COMPREPLY < <(compgen -W "--guest --hold --delay --press --release" -- "$word")
		;;
	type)
		mapfile -t COMPREPLY < <(compgen -W "--guest --delay" -- "$word")
		;;
	click)
		mapfile -t COMPREPLY < <(compgen -W "left right middle side extra --guest --hold --press --release" \
			-- "$word")
		;;
	move)
		mapfile -t COMPREPLY < <(compgen -W "--guest --to" -- "$word")
		;;
	record)
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		;;
	replay)
		mapfile -t COMPREPLY < <(compgen -W "--guest" -- "$word"; compgen -f -- "$word")
		;;
	esac
}
complete -F _batonctl batonctl
