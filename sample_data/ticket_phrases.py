"""Hand-written phrase tables for the English support tickets.

Every line of a table is one phrase. ``[a|b|]`` picks one alternative (it may be empty and may
nest); ``{slot}`` is filled in by the generator. The tables were written for this project; no
real customer and no other corpus is behind them. "Homenook" is a made-up company that sells
small household gadgets and a subscription app.
"""

from __future__ import annotations


def lines(block: str) -> tuple[str, ...]:
    """Split a block of text into its non-empty lines."""
    return tuple(" ".join(line.split()) for line in block.splitlines() if line.strip())


def words(block: str) -> tuple[str, ...]:
    """Split a block of text at its blanks."""
    return tuple(block.split())


# ---------------------------------------------------------------------------------------------
# Slots
# ---------------------------------------------------------------------------------------------

PRODUCTS = lines("""
    kettle
    desk lamp
    power bank
    fan heater
    robot vacuum
    tablet
    bluetooth speaker
    heated blanket
    door camera
    smart plug
    air purifier
    coffee grinder
    electric toothbrush
    night light
    headset
    kitchen scale
    rice cooker
    e-scooter charger
    wireless charger
    hair dryer
    baby monitor
    thermostat
""")

SLOTS: dict[str, tuple[str, ...]] = {
    "day": lines("""
        monday
        Tuesday
        Wednesday
        thursday
        Friday
        the weekend
        last week
        the 3rd
        the 14th
        the 21st
        yesterday
        two days ago
    """),
    "due": lines("""
        monday
        Friday
        the weekend
        tomorrow
        next week
        the 20th
        wednesday
    """),
    "span": lines("""
        three days
        5 days
        a week
        almost two weeks
        10 days
        nearly a month
        3 weeks
        a fortnight
        ages
        four working days
    """),
    "month": lines("""
        January
        february
        March
        april
        June
        july
        September
        october
        November
        december
    """),
    "city": lines("""
        Leeds
        Dublin
        Utrecht
        Porto
        Graz
        Gdansk
        Lyon
        Turku
        Bergen
        Austin
        Toronto
        Perth
    """),
    "amount": lines("""
        9.99
        14.50
        19.99
        24,90
        29
        39.00
        49.95
        64
        79.90
        120
        7.49
        189.00
    """),
    "cur": ("€", "$", "£", "EUR ", "eur "),
    "plan": ("Basic", "Plus", "plus", "Family", "family", "Studio", "premium", "Pro"),
    "small": ("two", "2", "three", "3", "four", "5", "six"),
    "carrier": lines("""
        the courier
        the carrier
        the delivery company
        the post office
        the driver
        your delivery partner
    """),
    "device": lines("""
        phone
        laptop
        ipad
        old Android
        work computer
        new phone
        tablet
        macbook
    """),
    "who": lines("""
        my wife
        my husband
        my son
        my mum
        my flatmate
        my dad
        my daughter
        my boss
        my neighbour
        my sister
    """),
    "room": ("kitchen", "bedroom", "living room", "office", "kids room", "hallway", "bathroom"),
}

# ---------------------------------------------------------------------------------------------
# Core situations: what the ticket is about, one table per label
# ---------------------------------------------------------------------------------------------

CORES: dict[str, tuple[str, ...]] = {}

CORES["shipping_delay"] = lines("""
    [my|the] {product} [still hasn't|has still not|hasnt] [arrived|turned up|come] [after \
        {span}|]
    tracking [has been stuck|is stuck|hasn't moved] in {city} since {day}
    [where is|wheres|any news on] my [order|parcel|package]? [it|this] was [due|promised] {day}
    the [tracking link|tracking number] [shows nothing|says not found|doesn't work] [since \
        {day}|]
    [it says|status says] delivered but [there is nothing here|I never got anything|no box at \
        my door]
    the [estimated date|delivery date] [keeps changing|moved again], now its {due}
    I paid for [express|next day] and [{span} later|after {span}] [nothing|still waiting]
    {carrier} [says|claims] they [tried to deliver|rang the bell] but I was home [all day|]
    [only|just] [half|part|one] of my [order|delivery] came, the {product} is [missing|still \
        on its way?]
    my {product} has been [in the sorting centre|at the depot|at customs] for {span}
    [you said|the shop said] 2-3 [business|working] days, [that was|it has been] {span}[ now|]
    order [is still|still] "processing" [since|from] {day}, [when will it ship|has it even left]?
    [the label was created|label printed] {day} but the parcel [was never handed over|isn't \
        moving]
    I need the {product} before {due} for a [birthday|present|trip], [will it make it|is that \
        possible]?
    parcel was sent to the wrong [city|depot], it is in {city} and I live [somewhere else|far \
        away]
    [{carrier} left|they left] it with a neighbour [but nobody has it|I don't know], which one?
    the [pick up|pickup] point [says they don't have|can't find] my [package|box]
    package [went back|is going back] to [the sender|you] [without any attempt|for no reason]
    the replacement {product} you [promised|sent] {day} [is not here|didn't arrive] [either|yet]
    I [moved|am moving] and the parcel is [late|not shipped], can it go to my new address in \
        {city}
    been waiting [{span}|so long] for the {product}, [not even a mail|no shipping mail]
    [the app|your site] shows [out for delivery|on its way] for {span} in a row
    pre-order was meant to ship in {month}, [now what|any date]?
    {carrier} [lost|seems to have lost] my {product}, they told me to [ask|contact] you
    [second|third] order in a row that is [late|delayed], this time the {product}
    back in stock on {day} you wrote, [my order still waits|and my {product} is not sent]
    why does it take {span} from {city} to [here|me], [it's not the moon|that's nuts]
    [customs|the customs office] wants a paper from you before they [release|let go of] my \
        {product}
    delivery slot was {day} [8 to 12|between 2 and 6], [nobody came|no one showed up]
    [please|pls] check whether my order [was really sent|got lost], {who} is waiting for it
    the parcel locker code [never came|doesn't open], so I cant [pick it up|get my {product}]
    two parcels, one here, one [nowhere|still in {city}], [sent the same day|ordered together]
    snow is over since {day} so [what's the excuse now|why is it still held up]?
    [can you|could you] [chase|push] {carrier}? [nobody answers there|they hang up on me]
    [delivery|shipping] of the {product} got [postponed|pushed back] [again|twice], [why|how \
        come]?
    [spare parts|the filter|the extra cable] for my {product} [shipped|left] {day}, no sign of it
    box came [late and wet|crushed and late], {span} over the date, the rest is [missing|yet \
        to come]
    {carrier} threw the box over the gate [a week late|after {span}], [it's still one \
        short|unacceptable]
    no one can tell me when the {product} [gets|will get] here, [chat bot|hotline] is useless
""")

CORES["billing_question"] = lines("""
    [I was|I got|we were] charged {cur}{amount} [twice|two times] [in {month}|this month|]
    [why|how come] is my [invoice|bill] {cur}{amount} [this month|in {month}], it [was|used \
        to be] less
    [I need|please send] [an invoice|a receipt] with [our VAT number|the company name] [for \
        {month}|]
    the [amount|total] on the invoice [doesn't match|is not the same as] my [bank statement|card]
    there is a charge of {cur}{amount} [on my card I don't recognise|I can't place], [what is \
        it|from you?]
    can I pay by [bank transfer|invoice|paypal] instead of [card|credit card]?
    my card [was declined|got refused] but the money [was taken|is gone] [anyway|]
    [new card|got a new card], where [do I change|can I update] [the payment details|it]?
    discount code [was not applied|didn't work], I paid the full {cur}{amount}
    what is the "[service fee|handling]" of {cur}{amount} on my [bill|last invoice]?
    [the invoice|your invoice] for {month} [is missing|never came], [our accountant|{who}] \
        needs it
    you [changed|raised] the price of {plan} to {cur}{amount} [without telling me|and no mail]?
    I'm still billed for {plan} though I [switched|went down] to [Basic|the small one] in {month}
    is the price [with|including] tax or [without|before]? [the bill is unclear|can't tell]
    [direct debit|the debit] [bounced|failed] and now there is a {cur}{amount} fee [on top|]
    [I have|there's] a [gift card|voucher] balance, why was my card charged [instead|]?
    [my|the] free trial [was|is] not over and you took {cur}{amount} [already|]
    annual or monthly, what did I [pay for|sign up for]? statement says {cur}{amount}
    the invoice has [my old address|the wrong name], [can you|could you] [reissue|correct] it
    [two|2] subscriptions are billed but I [have|use] only one
    [payment reminder|a reminder] [arrived|came] for an invoice I [paid|settled] on {day}
    [when|what day] [exactly|] do you [charge|debit] the {plan} plan each month?
    why was I billed in [dollars|another currency]? the bank [took|added] a fee
    [money|{cur}{amount}] [left|was taken from] my account {day} but the order shows unpaid
    [can I|is it possible to] split the {cur}{amount} in [instalments|3 payments]?
    the student [discount|price] [disappeared|is gone] from [my bill|the invoice] since {month}
    I get charged for {small} seats but [we are only two|one person left]
    credit of {cur}{amount} you [promised|confirmed] isn't on the {month} invoice
    [your|the] [auto renewal|renewal] took {cur}{amount} on {day}, is that [for a year|right]?
    please explain [the line|position] "adjustment" [on|in] the {month} [bill|invoice]
    the payment page [asks for|wants] a [billing address|postcode] that is not mine
    [bank|paypal] says [pending|reserved] {cur}{amount} for {span}, [did you get it|what's up]?
    I paid delivery [twice|two times] because the order was split, [is that normal|why]?
    [unknown|strange] debit {cur}{amount} "HOMENOOK SVC" [on {day}|], [{who} asks|what is that]
    [tax|VAT] exempt charity here, you [still|] put tax on [every|the last] invoice
    [need|looking for] all invoices [of the year|since {month}] as pdf
    somebody in our [team|family] upgraded to {plan}, who, and what does it [cost|add]?
    [is|was] the {cur}{amount} a deposit or the [final|full] price of the {product}?
    card ending [1142|7730|0091] [isn't mine any more|expired], [bill|charge] the other one
""")

CORES["password_reset"] = lines("""
    [I forgot|forgot|i've forgotten] my password [again|] and [the reset link|the link] [is \
        dead|expired]
    [the|your] reset [mail|email] [never arrives|does not come|isn't coming], checked spam [too|]
    [can't|cannot|cant] log in [any more|since {day}], it [says|keeps saying] wrong password
    new password [is not accepted|gets rejected], [what are the rules|too short? too long?]
    [locked out|I'm locked out] after {small} [tries|attempts], [how long|when] does the lock \
        last
    changed my password {day} and [now|] the app [wants the old one|does not take it]
    I don't have access to [the old email|that mailbox] [any more|], how do I reset
    the [code|six digit code] by sms [never comes|arrives too late|is always wrong]
    [lost|I lost|broke] my [phone|{device}] with the [authenticator|2fa app], cant [get \
        in|sign in]
    reset page [is blank|shows an error] [when I click save|after I type the new one]
    which email [did I use|do I have with you]? login [says|tells me] unknown user
    {who} [changed|set] the password on [our shared|the family] [account|login] and forgot it
    I [typed|entered] the right password [hundred times|over and over], still no [entry|login]
    how [do|can] I [change|set a new] password [in the app|on the {device}]?
    the link in the reset mail [opens the wrong page|takes me to the homepage]
    [account|my account] [is blocked|says blocked] because of too many [logins|tries]
    [signed up|I signed up] with [google|apple] and now [want|need] a normal password
    got {small} reset mails [because I clicked so often|at once], none of them work
    security question [is|asks] something I [never answered|can't remember]
    I have a [new|different] phone number so the [code|verification code] goes to the old one
    can you [set|send] me a temporary password, [I'm at work|need in today]
    [logged out|it logged me out] [of the app|on every device] and the password [is \
        gone|won't work]
    [username|user name] or password wrong, which of the two? [I only have one|help]
    [caps lock|I] messed up while setting the password, now [I'm out|no login]
    password manager [saved|has] the wrong one, [need a reset|please reset it]
    the reset asks for a customer number, [where do I find it|never had one]
    my [backup|recovery] codes [are used up|don't work], how do I get [new|more]
    employee [left|is on leave] and we need to [reset|get into] his login
    can't sign in on the {device} but [on the {device}|at work] it [works|is fine]
    [unlock|please unlock] my [account|profile], [I remember it now|I know the password]
    [tried|I tried] to log in from holiday in {city} and [you blocked|it blocked] me
    it says my password was changed {small} months ago, [yes by me|I did that], but [which \
        one|to what]
    security mail says new login from {city}, [that's me travelling|was me], now I can't get in
    [the|] captcha [never ends|fails] on [the reset form|log in]
    [my email|email address] [has a typo|is wrong] in your system so no reset [mail|link]
    i'm asked to [confirm|verify] [it's me|my identity] but the [mail|code] [doesn't come|is \
        missing]
    [{who} and I|we] share a login and [one of us|somebody] reset it, [now nobody gets \
        in|both out]
""")

CORES["product_question"] = lines("""
    does the {product} work with [220v|110 volt|an extension cord|us plugs]?
    [is|would] the {product} [ok|fine|suitable] [for|in] a small {room}?
    how [loud|noisy] is the {product} [at night|on the highest setting]?
    how long does the battery of the {product} [last|hold], [really|in daily use]?
    [can I|is it possible to] [connect|pair] the {product} with [two phones|my {device}|the \
        older app]?
    what's the difference between the [old|first] and the [new|second] {product}?
    does the {product} [get|become] [hot|warm] [on the outside|to touch]? we have [kids|a \
        toddler]
    which [filter|cable|adapter] [fits|do I need for] the {product}?
    is the {product} [waterproof|splash proof|ok in the {room}]?
    [how do I|how to] [clean|descale|wash] the {product} [properly|without breaking it]?
    [what|which] [colours|sizes] does the {product} come in[, is there a white one|]?
    can the {product} stay [on|plugged in] [over night|all day], [is that safe|or better not]?
    is there a [manual|guide] [in english|as pdf] for the {product}?
    [do you|will you] [sell|have] [spare parts|a new lid|the charging cable] for the {product}?
    how many [watts|amps] does the {product} [draw|use]? [old fuse box here|]
    can I take the {product} on [a plane|the train|a flight to {city}]?
    does the {product} need [wifi|the app|a hub] or does it [work|run] alone?
    [will|would] the {product} [fit|stand] on a shelf of 30 cm[ in the {room}|]?
    is the {product} [in stock|available] in {city} or [only online|online only]?
    what does the [red|blue|blinking] light on the {product} mean?
    how old should a child be to use the {product}, [mine is 6|asking for {who}]?
    [warranty|guarantee] on the {product}, is it [2 years|one year] and [does it cover|with] \
        the battery?
    does the {plan} plan [include|come with] [support for the {product}|more storage|the baby \
        module]?
    [can|could] the {product} be used [outside|on the balcony|in a caravan]?
    is it normal that the {product} [smells a bit|smells of plastic] [when new|the first time]?
    [what material|which plastic] is the {product} made of, [BPA free|any nickel]?
    how much does the {product} weigh [with|without] [batteries|the stand]?
    [is there|do you have] an [eco|quiet|child lock] mode on the {product}?
    [would you recommend|better] the {product} or the [bigger|cheaper] one for {who}?
    can {small} people use the {product} with [one|the same] account?
    [which|what] temperature [range|steps] does the {product} have?
    will there be a [black week|sale] on the {product}? [or should I buy now|]
    my cat [chews|sits] on [everything|cables], is the cord of the {product} [covered|strong]?
    does the {product} switch off [by itself|automatically] [when it's empty|after a while]?
    can I use a [third party|different] charger [with|for] the {product}?
    do I need to [register|sign up] to use the {product}, [I'd rather not|what data does it \
        take]?
    the box says class 2, what does that mean for the {product} [at home|]?
""")

CORES["refund_request"] = lines("""
    I [sent back|returned] the {product} {span} ago and [still no money|nothing has been paid \
        back]
    [please|pls] refund my order, the {product} [is not what I expected|doesn't fit]
    I want my money back for the {product}, it [stopped working|broke] after {span}
    how do I [return|send back] the {product}? it's [unused|still in the box]
    the {product} [arrived broken|came scratched], I [don't want a new one|prefer the money]
    the {product} is the wrong [colour|size|model], [return label please|want to send it back]
    order never came so [please return the payment|I want the {cur}{amount} back]
    I cancelled the order [within an hour|on {day}] but [was charged|the money isn't back]
    refund was [only partial|too low], {cur}{amount} is [missing|still open]
    [gift|the gift] was not [liked|wanted], can {who} [return it|get cash] without a receipt
    you [promised|approved] the refund [on {day}|], [where is it|bank sees nothing]
    I bought the {product} and {day} [it was cheaper|the price dropped], give me the difference
    [charged twice|double charged], please [send one back|return {cur}{amount}]
    the 30 day [trial|guarantee] is what I want to use, {product} [goes back|not for me]
    return portal [rejects my order number|says too late] but it's [only|just] {span}
    the {product} [does far less|isn't as good] [than advertised|as the pictures], money back
    I was sent [two|2] by mistake, [returning one|one goes back], credit my card [please|]
    renewal was [not intended|a mistake], [please reverse|undo] the {cur}{amount}
    I would like [a refund|my money] instead of the [voucher|store credit] you [offered|gave]
    {carrier} confirmed you [got|received] my return, [so why no refund|now pay]
    didn't use {plan} at all [since {month}|], [can I get|would like] the fee back
    [third|second] replacement {product} is broken as well, I give up, [refund|money back]
    who pays the return shipping [for a faulty {product}|], and when do I get the {cur}{amount}?
    refund went to my [old card|closed account], [can you send it again|what now]
    the {product} is too [loud|big|hot] for our {room}, returning it, [how|please advise]
    bought for {who} who already has one, [unopened|sealed], refund [possible|ok]?
    [you refunded|I only got] the item but not the [shipping|delivery] {cur}{amount}
    [app|the app] purchase by [my kid|accident], {cur}{amount}, [please take it back|reverse it]
    parts [are|were] missing from the box, I [send it back|return everything] and want it \
        paid back
    I withdraw from the purchase [of the {product}|], [confirm|please confirm] and pay back \
        {cur}{amount}
""")

CORES["bug_report"] = lines("""
    the app [crashes|closes] [every time I open|when I tap on] [settings|the {product} page]
    since the [last|latest] update the {product} [disconnects|drops the wifi] [every \
        hour|constantly]
    [dark mode|the dark theme] makes the [text|buttons] [invisible|unreadable] on [my {device}|]
    schedule [runs|starts] one hour [late|early], [time zone|summer time] problem[ I guess|]
    [push|the] notifications [come twice|don't come] on [my {device}|android]
    the {product} shows [offline|not found] in the app [but works|although it is on]
    export [to csv|as pdf] gives an [empty|broken] file
    search [finds nothing|returns no results] with [umlauts|capital letters]
    firmware update [hangs|stops] at {small}0 percent [on the {product}|]
    [app|the app] drains my battery, phone gets [warm|hot] [while it runs in background|]
    [the page|checkout] [freezes|spins forever] after I [press|click] [pay|continue]
    [graph|the chart] [is empty|shows zero] for [all of|] {month}
    error [500|0x81|E14] when I [add|pair] the {product}
    [the|] login screen [flickers|loops] after the update, version [4.2|5.0.1|3.9]
    settings [are lost|reset themselves] after [restart|every update]
    voice control [understands|turns on] the wrong {product}
    [camera|video] picture [upside down|is frozen] in [landscape|the new version]
    [slider|the slider] for temperature [jumps|goes back] to the old value
    widget [shows|displays] [yesterday's|old] data on my {device}
    [the app|app] [doesn't|does not] rotate, buttons [cut off|overlap] on my {device}
    the timer [does not stop|never ends], {product} keeps running [until I unplug it|]
    can't delete [an old room|a device], [button|the button] does nothing
    [translation|text] mixed up, half [german|french] half english [in settings|]
    [can't upload|upload of] photos [bigger than 2mb|] [fails silently|no message]
    the {product} beeps [and the app shows error|with code] [E2|F7] [at random|]
    sync between [my {device} and my {device}|two phones] [duplicates|loses] entries
    [clicking|the] unsubscribe link in the newsletter [gives 404|opens an error page]
    login [works|ok] but the home screen stays [white|empty] [since {day}|]
""")

CORES["cancel_subscription"] = lines("""
    [please|pls|I want to] cancel my {plan} [plan|subscription] [at the end of {month}|now]
    [how|where] do I [cancel|end] [the subscription|{plan}]? [there is no button|can't find it]
    I [don't|no longer] need {plan}, [stop it|please end it] [before the next charge|in {month}]
    [don't renew|please switch off auto renewal], [I use it too rarely|too expensive]
    I [cancelled|already cancelled] in {month} but it [still says active|renewed again]
    switch me [from {plan} to the free version|back to free], [keep my data|]
    [terminate|I terminate] my contract [to|at] the next possible date, [confirm|send \
        confirmation]
    [{who} passed away|{who} moved out], please [close|end] the {plan} plan
    we [sold|gave away] the {product}, so no [more|] [membership|subscription] needed
    [pause|can I pause] the plan for {small} months, if not [then cancel|I quit]
    trial [ends|is over] {due}, I [do not|don't] want to continue, [no charge please|]
    [moving|going] to another [provider|service], [end|stop] everything [by {month}|]
    [remove|take] {small} of our seats and [end|stop] the rest [in {month}|]
    the cancel page [asks me to call|wants a phone call], [I do it here in writing|just do it]
    [unsubscribe|opt me out] me from {plan}, not from the [newsletter|mails]
    [we|I] signed up by mistake, close the [membership|plan] [please|]
    price went up to {cur}{amount}, that's it, I'm [out|leaving]
    [what happens|anything lost] to my [recordings|data] when I [quit|leave] {plan}? I want \
        to [stop|end]
    delete my card and stop [the subscription|billing me], I'm [done|leaving]
    notice [period|of cancellation]: {plan}, [effective|as of] {month}
    I'm not using the app [since {month}|any more], please close [my plan|it]
    [close|please close] my account's subscription, [thanks for everything|it was nice]
""")

CORES["account_hacked"] = lines("""
    my password [doesn't work|was changed] and it was not me, the [email|phone number] on it \
        is [new|gone]
    [a mail|you wrote] that my email was changed to an address I [don't know|never saw]
    there are orders [for a {product}|] in my history that [I didn't place|nobody here made]
    login from {city} at 3 at night, I [was asleep|have never been there], and now [I can't \
        get in|I'm out]
    someone is [sending|writing] messages in my name from the [app|family group]
    [a stranger|somebody] talked to us through the {product} [last night|on {day}]
    {small} reset mails [I didn't ask for|out of nowhere] and after that [I was logged \
        out|the login died]
    delivery address was [changed|switched] to [{city}|one in {city}], [we live elsewhere|not \
        by us]
    my gift card [balance|money] is [gone|zero], [I never used it|spent on things I don't know]
    [I clicked|{who} clicked] on a link in a fake mail from you and typed [the password|my login]
    an unknown [{device}|device] is [listed|signed in] under my profile and [comes back|I \
        can't remove it]
    two factor was [switched off|turned off] [on {day}|], [not by us|I didn't do that]
    [an ex|my ex|old flatmate] still [gets in|looks at the camera] although I changed [it \
        all|the code]
    [a man called|I got a call] saying he is Homenook support, I gave him the [code|sms code]
    my name in the profile is now [someone else's|a stranger's|"xx"], order [placed|sent] to \
        {city}
    {cur}{amount} of vouchers bought with my saved card, [the bank says it went through my \
        login|at night]
    the lights go on and off, [someone else|somebody not us] is in our [login|home]
    same password was in a leak [I read|they say], since {day} [odd|weird] logins on [mine|my \
        profile]
    [can't log in|cannot sign in], the reset goes to an address that [ends in .xyz|isn't mine]
    I see searches and [carts|wish lists] that [aren't mine|I didn't do], [who is that|scary]
    subscription got upgraded to {plan} [overnight|] by [nobody here|a person we don't know]
    my [seller|shop] page has [other bank details|another iban] now, I [did not|never] edit it
    got [thank you|order] mails for {small} {product}s, none of them [ordered by me|mine]
    someone answers my support tickets [for me|before me], [it isn't me|I did not write that]
""")

CORES["data_deletion_request"] = lines("""
    [please|] delete everything you [have|store] about me, not only [the plan|the login]
    under [gdpr|article 17|data protection law] I [ask|want] you to erase my \
        [records|information]
    I [cancelled|quit] {plan} in {month} but my [name and address|profile] is still [there|in \
        your system]
    remove my [email|phone number|address] from all your [lists|databases], [and confirm|in \
        writing]
    [close|shut] the account for good and wipe [the recordings|all history]
    I [never agreed|didn't consent] that you keep my [voice|location] [data|], [get rid of \
        it|take it out]
    [{who} has died|{who} passed away], please erase [his|her|their] details, [not just stop \
        the plan|]
    what do you [hold|keep] on me? whatever it is, [I want it gone|destroy it]
    the [pictures|clips] from the door camera [on your servers|in the cloud] should [be \
        erased|disappear]
    [still|I still] get mails {span} after leaving, [forget me|remove me completely]
    my [child|son|daughter] made a profile, [is 11|too young], [take it down|remove it] with \
        all [entries|data]
    old card and old address [are still saved|show up], [I'm not a customer any more|purge them]
    withdraw my consent, [stop using|no more processing of] my [usage data|details]
    the deactivated profile can be [found|seen] [on google|by friends], [it must go|make it \
        vanish]
    I [returned|sold] the {product}, so [clear|wipe] what it [collected|saved] about our home
    [right to be forgotten|RTBF], [please act within 30 days|one month deadline]
    ticket history, invoices, chats, [anything with my name|the lot], [should be removed|out \
        please]
    did you really [remove|erase] my stuff? login [still works|still exists] {span} after I asked
    [don't|do not] just unsubscribe me, I want no trace [left|with you]
    new owner of the {product} sees my [name|floor plan], [clean that up|take my stuff off]
    [hand over|send] a copy first and then [scrap|erase] the rest of my [file|records]
    I'm leaving and don't want you to [keep|own] [anything|a thing] of mine afterwards
""")

CORES["safety_hazard"] = lines("""
    the {product} [got so hot|heated up so much] that it [left a brown mark on|melted] the table
    [smoke|a bit of smoke] came out of the {product} [when I plugged it in|on first use]
    I got [a shock|an electric tingle] when I touched the {product} [with wet hands|]
    battery of the [{product}|power bank|tablet] is [swollen|round like an egg], [the case is \
        open|lid pops off]
    [sparks|a blue flash] at the plug of the {product}, fuse went [out|off]
    {who} burned [a finger|her hand] on the {product}, the handle [is like fire|has no cover]
    [burning smell|smells like burnt rubber] every time the {product} [charges|runs]
    the [kettle|rice cooker] won't switch off by itself and the [water boils dry|bottom glows]
    a [small part|screw] came off the [baby monitor|night light|toothbrush|speaker] and my \
        [baby|toddler] had it in the mouth
    the parcel was [leaking|dripping] something [sticky|that stings], box with the {product}
    glass of the [kettle|coffee grinder|kitchen scale] [burst|cracked] [while in use|in my \
        hand], [cut|blood] everywhere
    the [cable|cord] of the {product} arrived with bare [wires|copper]
    [outlet|wall socket] is black since we use the {product}
    it turned itself on at night, [nobody home|we slept], and the {product} was \
        [scorching|too hot to hold]
    after the update the {product} heats [beyond|over] the limit, [plastic gets soft|blanket \
        is singed]
    the {product} [hissed|made a pop] while charging next to the [bed|cot], we threw it \
        [outside|in the garden]
    [headache|{who} felt sick] from the fumes of the {product} in the {room}
    the [leg|stand] of the [desk lamp|air purifier|door camera] gave way and it fell [on|next \
        to] my [son|dog]
    [fire alarm|the smoke detector] went off, it was [your|the] {product}
    my [hand|arm] has a rash and blisters since I [wear|use] the {product}
""")

# Sentences that agents file under a rare label or under its frequent neighbour, depending on what
# they make of it: (rare label, neighbour) -> phrases. The neighbour gets more of them.
SOFT_CORES: dict[tuple[str, str], tuple[str, ...]] = {
    ("account_hacked", "password_reset"): lines("""
        my password [stopped working|doesn't work] [over night|since {day}] and I [did not change|\
            haven't touched] it
        [got|I got] a [reset|password] mail [last night|] I don't remember asking for, \
            now [no login|I can't get in]
        it says my password was changed [{small} hours ago|on {day}], [can't remember that|\
            not sure who did it]
        code by sms came [at night|on {day}] [while I wasn't logging in|], \
            now I'm [locked|logged] out
        login from [{city}|another city] in the [list|security mail], since then my password \
            [is wrong|fails]
        [logged out|thrown out] everywhere and my password [isn't right|is refused] [suddenly|]
        account blocked because of [odd|unusual] [activity|logins] [from {city}|], how do I get in
        the [mail|phone number] for the reset [looks wrong|is not the one I know], no code for me
    """),
    ("data_deletion_request", "cancel_subscription"): lines("""
        close my account [completely|for good], I [don't use it|won't come back]
        [delete|remove] my [account|profile] [please|], {plan} [is not needed any more|too]
        I want [out|to leave], [everything|all of it] [should be|can be] [closed|removed]
        how do I [delete|get rid of] [the account|my profile] and not only [the app|pause it]?
    """),
    ("data_deletion_request", "billing_question"): lines("""
        [take|remove] my card [number|details] [out of|from] [the profile|your system]
        my [bank details|address and card] are still [saved|stored], [please delete|delete that]
    """),
    ("safety_hazard", "product_question"): lines("""
        the plug of the {product} gets [really|very|quite] hot, [is that normal|ok or not]?
        there is a [burnt|burning] smell from the {product} [the first days|when it's on], \
            [normal|why]?
        [a small|a little] spark when I plug [in the {product}|the {product} in], is it ok?
        the [case|bottom] of the {product} looks a bit [swollen|melted|brown], [can I still use it|\
            is that normal]?
    """),
    ("safety_hazard", "refund_request"): lines("""
        the {product} [smoked|smelled burnt] [once|and died], [I don't want it any more|never again]
        [cable|plug] of the {product} [is damaged|came damaged], wires visible, \
            [won't use it|it goes back]
    """),
}

# ---------------------------------------------------------------------------------------------
# Sentences around the core, shared by the labels
# ---------------------------------------------------------------------------------------------

CONTEXTS: dict[str, tuple[str, ...]] = {
    "order": lines("""
        I ordered a {product} [on {day}|{span} ago] [from your site|]
        this is about order {order}
        [my|the] order {order} from {day}
        bought [a|the] {product} for {who} [in {month}|]
        [re:|regarding|about] {order}
        we ordered {small} {product}s [for the office|for our {room}]
        [I placed an order|order placed] {day}, confirmation came [right away|]
        the package with the {product} [came|was delivered] {day}
        this was a present for {who}
    """),
    "account": lines("""
        I [have been|am] a customer [for years|since {month}]
        I have [an account|a profile] with you [since {month}|]
        [tried|I tried] to log in [on my {device}|this morning]
        my login is the mail I write from
        I use the app on my {device}
        I [was|got] logged out [on {day}|this morning]
        I got a mail from you [on {day}|this morning]
        it's about my account
    """),
    "product": lines("""
        I [own|have] the {product} [for {span}|since {month}]
        we use the {product} [every day|in the {room}]
        {who} [gave me|bought] the {product} [in {month}|]
        I'm [thinking about|looking at] the {product} [for our {room}|]
        got the {product} {day}, [so far so good|nice design]
        the {product} stands in our {room}
        [a|one] question about the {product}
    """),
    "plan": lines("""
        I'm on the {plan} plan [since {month}|]
        we [have|had] {plan} for {span}
        I signed up [for {plan}|] in {month}
        it's about my [membership|subscription]
        my {plan} [renewed|renews] in {month}
        I [barely|hardly] use the app
    """),
    "money": lines("""
        I [looked at|checked] my bank statement [today|on {day}]
        you took {cur}{amount} [on {day}|]
        I paid {cur}{amount} [by card|with paypal|]
        the last invoice was {cur}{amount}
        [paid|I paid] for order {order} on {day}
    """),
}

# How likely each context theme is per label; rare labels lean on their frequent neighbours.
CONTEXT_THEMES: dict[str, tuple[str, ...]] = {
    "shipping_delay": ("order", "order", "order", "money", "product"),
    "billing_question": ("money", "money", "plan", "order", "account"),
    "password_reset": ("account", "account", "account", "plan", "product"),
    "product_question": ("product", "product", "order", "account"),
    "refund_request": ("order", "order", "money", "product"),
    "bug_report": ("product", "account", "product", "plan"),
    "cancel_subscription": ("plan", "plan", "money", "account"),
    "account_hacked": ("account", "account", "money", "order"),
    "data_deletion_request": ("plan", "account", "account", "order"),
    "safety_hazard": ("order", "product", "product", "order"),
}

# A second, minor topic that any ticket may carry ("by the way ..."): keyword noise.
ASIDES: dict[str, tuple[str, ...]] = {
    "shipping_delay": lines("""
        [also|btw] the [parcel|delivery] [was|came] {span} late
        [and|oh and] where is the rest of the order
        the tracking never worked [either|]
        {carrier} was not friendly [either|]
        it took {span} to [get here|arrive]
    """),
    "billing_question": lines("""
        [also|and] the invoice [is|was] hard to find
        [btw|ps] I'd need a receipt
        I paid {cur}{amount} for this
        [and|also] why is the bill {cur}{amount} this month
        my card was charged [on {day}|already]
    """),
    "password_reset": lines("""
        [also|btw] I had to reset my password [{small} times|] to write this
        I can't log in to the portal so I write here
        [and|also] the login is slow
        the password rules are [annoying|silly] btw
        reset mail took an hour [too|]
    """),
    "product_question": lines("""
        [is that normal|is this normal for the {product}]?
        [also|btw] does the {product} come in black?
        [ps|also] which filter do I need?
        the manual says nothing about it
        or is it meant to be like that?
    """),
    "refund_request": lines("""
        [maybe|perhaps] I should just send it back
        [otherwise|if not] I want my money back
        I hope I don't have to return it
        [do I|will I] get something back for this?
    """),
    "bug_report": lines("""
        the app [is|was] slow [too|] [btw|]
        [also|and] the app crashed [twice|] while I wrote this
        maybe it's since the update
        reinstalled the app, no change
    """),
    "cancel_subscription": lines("""
        [if this goes on|otherwise] I cancel
        [thinking of|I'm thinking about] leaving {plan}
        [and|also] I might end the subscription
        not sure I keep the plan
    """),
    "account_hacked": lines("""
        [hope|I hope] nobody got into my account
        [is it|was that mail] a scam?
        I [changed|use] a strong password, [just in case|so it's not that]
        someone else [may have|could have] used my login
        I don't know who did that
    """),
    "data_deletion_request": lines("""
        [and|also] take me off the mailing list
        please don't keep my number [after that|]
        [and|also] I don't want my data shared
        delete this mail afterwards
        please remove my old address [too|]
    """),
    "safety_hazard": lines("""
        [the box|it] smelled a bit [odd|of glue]
        it gets quite warm [but ok|I think]
        [I|{who}] nearly fell over [the box|the cable]
        I'm burning to know
        the old one from another brand [caught fire|sparked], so I ask
        [kids|we have kids] in the house
    """),
}

# Closing requests. "any" fits every label.
ASKS: dict[str, tuple[str, ...]] = {
    "any": lines("""
        [please|pls] [help|advise]
        what [should|can] I do [now|]?
        can [someone|you] [look into this|check this|have a look]
        [waiting for|looking forward to] your [reply|answer]
        [please|kindly] get back to me [soon|asap|today]
        any idea?
        how do we [go on|proceed]?
        this is [urgent|really annoying|not ok]
        I [wrote|mailed] you [twice|on {day}] already
        thanks in advance
        [call me|write me] if you need more
        let me know
        hope you can sort it [out|]
        not in a hurry
        I'm [a bit|really] [worried|disappointed|fed up]
        what is going on?
        second time I ask
        please fix [this|it]
    """),
    "shipping_delay": lines("""
        when [will|does] it [come|arrive]?
        [just|] tell me where it is
        please check with {carrier}
        I need it [by {due}|soon]
    """),
    "billing_question": lines("""
        please [explain|correct the bill]
        [can you|could you] send the invoice again
        is that right?
        please check the amount
    """),
    "password_reset": lines("""
        please reset it
        [just|] let me in [please|]
        send me a new link
        I need access today
    """),
    "product_question": lines("""
        thanks for the info
        [before I buy|want to know before I order]
        just curious
        would be good to know
    """),
    "refund_request": lines("""
        please confirm the refund
        I expect the money [by {due}|this week]
        how long does the refund take?
    """),
    "bug_report": lines("""
        is there a fix [planned|coming]?
        [can send|happy to send] screenshots
        please tell the developers
    """),
    "cancel_subscription": lines("""
        please confirm [by mail|in writing]
        no more charges please
        send me the end date
    """),
    "account_hacked": lines("""
        please [reset it|let me in|lock it]
        please check the [charges|logins]
        I need [access|it] back [today|]
    """),
    "data_deletion_request": lines("""
        please confirm [by mail|in writing]
        [when|] will that be done?
        no more mails please
    """),
    "safety_hazard": lines("""
        is [that|this] normal?
        do I [send it back|return it]?
        [can send|have] pictures
        is there a fix?
    """),
}

# Short tickets: a few words only, still decidable.
TERSE: dict[str, tuple[str, ...]] = {
    "shipping_delay": lines("""
        where is {order}[?|??]
        {order} not here [yet|]
        parcel late[ again|]
        still waiting {order}
        no delivery since {day}
        tracking dead for {order}
        when does the {product} come
        {product} not arrived
    """),
    "billing_question": lines("""
        invoice {month} [please|missing]
        charged {cur}{amount} why
        what is this {cur}{amount}
        double charge {month}
        need vat invoice {order}
        wrong amount {cur}{amount}
        pay by transfer possible?
    """),
    "password_reset": lines("""
        forgot password
        reset link not working on {device}
        cant log in [since {day}|]
        no reset mail [since {day}|]
        locked out of {device}
        sms code missing [since {day}|]
        pw reset pls
    """),
    "product_question": lines("""
        {product} manual pdf?
        is {product} waterproof
        {product} 110v ok?
        battery life {product}?
        {product} in black?
        how loud is {product}
    """),
    "refund_request": lines("""
        refund {order} please
        money back for {order}
        return label {product}
        where is my refund {order}
    """),
    "bug_report": lines("""
        app crash on {device}
        error E14 {product}
        update broke {product}
    """),
    "cancel_subscription": lines("""
        cancel {plan}
        stop {plan} please
        end my {plan} in {month}
    """),
    "account_hacked": lines("""
        not my login from {city}
        who is this in my account
        not my order {order}
    """),
    "data_deletion_request": lines("""
        erase my data
        forget me pls
    """),
    "safety_hazard": lines("""
        {product} sparks
        {product} very hot, brown table
        kid got a shock from {product}
    """),
}

# Same text filed under two labels by two agents (planted conflicts).
CONFLICTS: tuple[tuple[str, str, str], ...] = (
    (
        "You charged me twice for the same order, please give me one payment back.",
        "billing_question",
        "refund_request",
    ),
    (
        "order never arrived, its been 4 weeks now, i want it or my money",
        "shipping_delay",
        "refund_request",
    ),
    (
        "cant get in since last night and got a mail about a password change. please help",
        "password_reset",
        "account_hacked",
    ),
    (
        "Please close my account and remove everything, I no longer use the app.",
        "cancel_subscription",
        "data_deletion_request",
    ),
    (
        "the purifier light blinks red and the app says offline, is that normal?",
        "product_question",
        "bug_report",
    ),
    (
        "why was i billed again, i thought the plus plan was over in march",
        "billing_question",
        "cancel_subscription",
    ),
)

# ---------------------------------------------------------------------------------------------
# Customers and their habits
# ---------------------------------------------------------------------------------------------

FIRST_NAMES = words(
    "Anna Ben Carla Dmitri Elif Farid Greta Hugo Ines Jonas Keiko Liam Mira Nadia Oskar Priya "
    "Quentin Rosa Samir Tilda Umar Vera Wanda Xenia Yusuf Zoe Marta Pekka Sinead Tomas Aoife "
    "Bogdan Chloe Derek Esther Fiona Gustav Hana Ivo Joyce"
)
LAST_NAMES = words(
    "Abbas Berg Castro Dunne Eklund Fischer Grant Hoek Ivanov Jansen Kowal Larsen Moreau Novak "
    "Okafor Pereira Quist Rossi Sato Tran Ueda Vogel Walsh Ximenez Young Zeller Amsel Birch"
)

GREETINGS = lines("""
    Hi
    Hello
    Hey
    Dear team
    Hi there
    Good morning
    hello
    Hi Homenook
    Dear Sir or Madam
    hey guys
    Good evening
    Dear support
""")
GOODBYES = lines("""
    Thanks
    Best regards
    Kind regards
    thx
    Cheers
    Regards
    Best
    Thank you
    Many thanks
    BR
    Yours sincerely
""")
FOOTERS = (
    "Sent from my phone",
    "sent from mobile, sorry for typos",
    "{name} | Accounting",
    "{name}, {city}",
    "Tel. 0{digits}",
    "customer no. {digits}",
)
CONNECTORS = (". ", ". ", ". ", ", ", " - ", "... ", "! ", " and ")
EMOJI = ("🙂", "😡", "🙏", "😕", "👍", "😭", "🤔", "😅", "🙄", "❤️")

COMMON_TYPOS: dict[str, str] = {
    "received": "recieved",
    "address": "adress",
    "password": "pasword",
    "because": "becuase",
    "delivery": "delivary",
    "parcel": "parcle",
    "subscription": "subsciption",
    "account": "acount",
    "the": "teh",
    "please": "plese",
    "working": "wokring",
    "invoice": "invoce",
    "charged": "chraged",
    "your": "youre",
    "though": "tho",
    "you": "u",
    "are": "r",
    "before": "b4",
}
