# bash completion for hearthctl
# First column of a table the agent gives, when it can be asked within two seconds, of the rows whose second column matches; needs
# $options.
_hearthctl_ids() {
	local id kind
	timeout 2 hearthctl "${options[@]}" --timeout 2 "$1" 2>/dev/null </dev/null | while IFS=$'\t' read -r id kind _; do
		[[ $kind == *${2-}* ]] && echo "$id"
	done
}

_hearthctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb= words= option= i
	local -a options=()
	local verbs="status devices device bus plan tariff forecast events event commands vpp outbox reserve override ev limit why savings simulate log config reload dump ping version help"
	COMPREPLY=()
	# --import=4200 is three words here; = alone is none of ours
	[[ $cur == = ]] && cur=
	[[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD - 2]}
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--host | --port | --username | --password-file | --site | --root)
			[[ ${COMP_WORDS[i + 1]-} == = ]] && option=${COMP_WORDS[i]} && ((i++)) || option=${COMP_WORDS[i]}
			((i + 1 < COMP_CWORD)) && options+=("$option" "${COMP_WORDS[i + 1]}")
			((i++))
			;;
		--timeout) [[ ${COMP_WORDS[i + 1]-} == = ]] && ((i++)); ((i++)) ;;
		-*) ;;
		*) verb=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $verb in
	"") mapfile -t COMPREPLY < <(compgen -W "$verbs --host --port --username --password-file --site --root --json --timeout --help --version" -- "$cur") ;;
	help) mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$cur") ;;
	status) mapfile -t COMPREPLY < <(compgen -W "--watch --json" -- "$cur") ;;
	plan)
		if [[ $before == solve ]]; then
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		else
			mapfile -t COMPREPLY < <(compgen -W "solve refresh --json" -- "$cur")
		fi
		;;
	simulate)
		case $before in
		--csv | --html) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
		--history) words="7d 30d 90d" ;;
		--days | --seed | --battery | --power | --list) return ;;
		simulate) words="$(timeout 2 hearthctl simulate --list 2>/dev/null </dev/null | cut -f1) --list --history" ;;
		*)
			words="--days --seed --csv --html --quiet --json"
			[[ " ${COMP_WORDS[*]} " == *" --history "* ]] && words="--battery --power --csv --html --quiet --json"
			;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		[[ $before == simulate ]] && compopt -o filenames && mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
		;;
	event)
		case $before in
		opt-out | opt-in | reserve) words=$(_hearthctl_ids events) ;;
		event) words="opt-out opt-in reserve" ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	why)
		[[ $before == --since ]] || words="$(_hearthctl_ids devices) --history --since --json"
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	forecast)
		case $before in
		forecast) words="set clear --json" ;;
		set) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
		*) words="--json" ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	savings)
		case $before in
		savings) words="--month --days --json" ;;
		--month) words=$(for i in {0..12}; do date -d "$(date +%Y-%m-01) -$i month" +%Y-%m; done) ;;
		--days) ;;
		*) words="--json" ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	device)
		[[ $before == "$verb" ]] && words=$(_hearthctl_ids devices)
		mapfile -t COMPREPLY < <(compgen -W "$words --json" -- "$cur")
		;;
	override)
		case $before in
		override) words="auto hold charge discharge clear pause resume" ;;
		clear) words=$(_hearthctl_ids devices battery) ;;
		auto | hold | charge | discharge) words="$(_hearthctl_ids devices battery) --power --for --until" ;;
		--power | --for | --until | pause) ;;
		*) words="--power --for --until" ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	ev)
		case $before in
		ev) words="off solar cheap now ready --json" ;;
		off | solar | cheap | now | ready) words="$(_hearthctl_ids devices charger) --by --energy" ;;
		--by | --energy) ;;
		*) words="--by --energy" ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
		;;
	limit)
		case $before in
		limit) words="set clear heartbeat" ;;
		set) words="--import --export --for --until" ;;
		--import | --export) words="none" ;;
		--for | --until | clear | heartbeat) ;;
		*) words="--import --export --for --until" ;;
		esac
		mapfile -t COMPREPLY < <(compgen -W "$words --json" -- "$cur")
		;;
	outbox) mapfile -t COMPREPLY < <(compgen -W "retry --json" -- "$cur") ;;
	tariff) mapfile -t COMPREPLY < <(compgen -W "refresh --json" -- "$cur") ;;
	config)
		case $before in
		check | show) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
		*) mapfile -t COMPREPLY < <(compgen -W "check show" -- "$cur") ;;
		esac
		;;
	*) mapfile -t COMPREPLY < <(compgen -W "--json" -- "$cur") ;;
	esac
}
complete -F _hearthctl hearthctl
