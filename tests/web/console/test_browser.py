"""The console in Debian's Chromium: what people do there, by mouse, keyboard and clipboard."""

import base64
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect

from support.browser import CHROMIUM, chromium
from support.console import PASSWORD
from support.pictures import encoded, picture, scene
from support.server import Caller, Server
from tusou.storage.items import Items, NewItem
from tusou.types import ContSign

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
    # Playwright's own sockets and event loop are closed by the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PICTURES = 12


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose grace is short enough to wait for."""
    data = tmp_path_factory.mktemp("desk") / "data"
    server = Server(data, {"TUSOU_UNDO_SECONDS": "3"})
    with server.office() as office:
        office.users.add("lin", PASSWORD, "operator")
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def signed_in(desk: Server, browser: Browser) -> Iterator[BrowserContext]:
    """The operator's browser."""
    context = browser.new_context(base_url=f"{desk.address}/console/", locale="en-US")
    context.set_default_timeout(60_000)
    with desk.office() as office:
        token = office.sessions.open(office.users.get("lin"), "127.0.0.1", "test")
    cookie = {"name": "tusou_session", "value": token, "url": f"{desk.address}/console/"}
    context.add_cookies([cookie])  # type: ignore[list-item]
    yield context
    context.close()


@pytest.fixture
def page(signed_in: BrowserContext) -> Iterator[Page]:
    """A page whose console must stay empty."""
    page = signed_in.new_page()
    said: list[str] = []

    def hear(line: ConsoleMessage) -> None:
        # The browser tells of refusals, which the page shows; these are meant here.
        pages = re.search(r"/pictures|/plans/\d+/packages|/plans/limits", str(line.location))
        refused = pages and re.search(r"status of 40[09]", line.text)
        if line.type == "error" and not refused:
            said.append(line.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    page.close()
    assert said == []


@pytest.fixture(scope="module")
def filled(desk: Server) -> Caller:
    """Pictures in a library that finds the same picture, and money."""
    caller = desk.caller("same_hq", "similar")
    for seed in range(PICTURES):
        caller.call("same_hq", "add", image=picture(seed), brief=f"poster {seed}", tags="5")
    with desk.office() as office:
        office.billing.ledger.open(caller.app_id, "personal")
        office.billing.ledger.top_up(caller.app_id, Decimal(5000))
        office.billing.packages.buy(caller.app_id, "similar", "add", 100_000)
        office.billing.addons.buy(caller.app_id, "similar", "add", 5, None, 1, "month")
    return caller


@pytest.fixture
def fresh(desk: Server) -> Caller:
    """Pictures in a library that a test may change."""
    caller = desk.caller("similar")
    strangers(desk, caller, PICTURES, "poster")
    return caller


def manager(page: Page, caller: Caller, service: str, pictures: int = PICTURES) -> None:
    page.goto(f"libraries/{caller.app_id}/{service}")
    expect(page.locator("#grid li")).to_have_count(pictures)


def check_access(page: Page) -> None:
    """axe-core finds no serious fault."""
    found = Axe().run(page).response["violations"]
    faults = [
        (fault["id"], [node["target"] for node in fault["nodes"]])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]
    assert faults == []


def test_signing_in_and_out_in_the_browsers_language(desk: Server, browser: Browser) -> None:
    with browser.new_context(locale="zh-CN", color_scheme="dark") as context:
        page = context.new_page()
        page.goto(f"{desk.address}/")
        expect(page.get_by_role("heading", name="登录")).to_be_visible()
        check_access(page)
        page.get_by_label("用户名").fill("lin")
        page.get_by_label("密码").fill(PASSWORD)
        page.get_by_role("button", name="登录").click()
        expect(page.get_by_role("heading", name="图库")).to_be_visible()
        check_access(page)
        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("heading", name="Libraries", exact=True)).to_be_visible()
        page.get_by_role("link", name="lin").click()
        page.get_by_role("button", name="Sign out", exact=True).click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_serious_fault_of_access(page: Page, filled: Caller, theme: str) -> None:
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    app = f"applications/{filled.app_id}"
    usage, trying = f"usage/{filled.app_id}", f"try/{filled.app_id}/same_hq/add"
    plans = f"plans/{filled.app_id}"
    paths = ["libraries", "applications", "applications/new", "account", app, f"{app}/delete"]
    limits = ["plans/limits", "plans/limits/personal"]
    paths += ["usage", usage, trying, "plans", plans, "users", *limits]
    # The dark one differs in colour.
    for path in paths if theme == "light" else ["libraries", app, usage, trying, plans, limits[1]]:
        page.goto(path)
        check_access(page)
    manager(page, filled, "same_hq")
    check_access(page)
    page.locator("#grid .pick input").nth(1).check(force=True)
    check_access(page)
    page.keyboard.press("Escape")
    page.locator("#grid .open").first.click()
    expect(page.locator("#viewer")).to_be_visible()
    check_access(page)


def test_a_call_is_tried_and_programs_follow_the_form(
    page: Page, desk: Server, tmp_path: Path
) -> None:
    caller = desk.caller("similar")
    (tmp_path / "shoe.jpg").write_bytes(picture(3))
    page.goto(f"try/{caller.app_id}/similar/add")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#meaning")).to_have_text("Something is missing")
    page.set_input_files("[name=image]", tmp_path / "shoe.jpg")
    page.locator("[name=brief]").fill("red & blue")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#answer")).to_contain_text("cont_sign")
    expect(page.locator("#meaning")).to_be_hidden()
    expect(page.locator("#took")).to_have_text(re.compile(r"^\d+ ms · HTTP 200 · \d+ bytes$"))
    expect(page.locator("#request")).to_contain_text(re.compile("/similar/add.access_token=24"))
    expect(page.locator("#request")).to_contain_text("brief=red+%26+blue")
    page.get_by_role("button", name="Python").click()
    program = page.locator("#program-python")
    expect(program).to_contain_text('"brief": "red & blue"')
    expect(program).to_contain_text("shoe.jpg")
    expect(page.locator("#program-curl")).to_be_hidden()
    page.get_by_role("button", name="Put the Secret Key in").click()
    expect(program).to_contain_text(caller.secret_key)
    page.locator("[name=tags]").fill("7")
    expect(program).to_contain_text('"tags": "7"')
    expect(program).to_contain_text(caller.secret_key)
    # The hour is over, or the key was reset: another token is taken.
    with desk.office() as office:
        office.apps.revoke_tokens(caller.app_id)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#answer")).to_contain_text("216681")
    expect(page.locator("#meaning")).to_contain_text("It is there already")


def test_an_allowance_is_claimed_and_a_package_bought(page: Page, desk: Server) -> None:
    caller = desk.caller("similar", libraries=False)
    page.goto(f"plans/{caller.app_id}")
    card = page.locator("li.card").filter(has=page.get_by_role("heading", name="Personal"))
    card.get_by_role("button", name="Claim").click()
    expect(page.get_by_role("status")).to_contain_text("The account is open")
    page.get_by_label("Amount").fill("2,000")
    page.get_by_role("button", name="Top up").click()
    page.locator("[name=offer]").select_option("similar/add/100000")
    page.locator("form[action$=packages] button").click()
    expect(page.get_by_text("1,700.00 CNY from the balance")).to_be_visible()
    check_access(page)
    page.get_by_role("button", name="Buy").click()
    expect(page.get_by_role("status")).to_contain_text("The package is bought")
    page.locator("[name=offer]").select_option("similar/add/100000")
    page.locator("form[action$=packages] button").click()
    expect(page.get_by_role("alert")).to_contain_text("The balance of 300.00 does not pay")
    page.get_by_role("button", name="Give back").click()
    expect(page.get_by_role("status")).to_contain_text("The package is given back")


def test_a_quota_plan_is_made_mended_and_removed(page: Page) -> None:
    page.goto("plans")
    page.get_by_role("link", name="Quota plans").click()
    page.get_by_role("link", name="New plan").click()
    page.get_by_label("Identifier").fill("Gold!")
    page.get_by_label("English name").fill("Gold")
    page.get_by_label("Chinese name").fill("黄金")
    page.get_by_label("Every call: A second").fill("20")
    page.get_by_text("For single services").click()
    page.get_by_label("Picture books · search: In all").fill("much")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("look at the 2 marked fields")
    wrong = page.get_by_label("Picture books · search: In all")
    expect(wrong).to_be_visible()
    expect(wrong).to_have_accessible_description(re.compile("^A whole number up to 1,000,000,000"))
    check_access(page)
    wrong.fill("5,000")
    page.get_by_label("Identifier").fill("gold")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("The plan is saved")
    card = page.locator("li.card").filter(has=page.get_by_role("heading", name="Gold"))
    expect(card.get_by_role("row", name="Picture books · search")).to_contain_text("5,000")
    card.get_by_role("link", name="Gold").click()
    page.get_by_role("link", name="Remove").click()
    check_access(page)
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status")).to_contain_text("The plan is removed")
    expect(card).to_have_count(0)


def test_an_application_is_made_and_its_secret_shown(page: Page) -> None:
    page.goto("applications/new")
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Materials").uncheck()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("status")).to_contain_text("The application is made")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#secret-key")).to_have_text(re.compile(r"^\w{32}$"))
    expect(page.get_by_label("Materials")).not_to_be_checked()


def test_a_library_is_applied_for_and_enlarged(page: Page, desk: Server) -> None:
    caller = desk.caller("product", libraries=False)
    page.goto("libraries")
    section = page.get_by_role("region").filter(has_text=str(caller.app_id))
    section.get_by_role("button", name="Apply for a library").click()
    expect(section.get_by_text("of 500,000 pictures")).to_be_visible()
    section.get_by_role("button", name="500,000 more").click()
    expect(section.get_by_text("of 1,000,000 pictures")).to_be_visible()


def test_uploads_are_added_and_what_failed_says_why(
    page: Page, desk: Server, tmp_path: Path
) -> None:
    caller = desk.caller("similar")
    manager(page, caller, "similar", 0)
    expect(page.locator("#nothing")).to_contain_text("No picture is in this library yet")
    for name, data in (("red_shoe.jpg", picture(1)), ("broken.jpg", b"no picture")):
        (tmp_path / name).write_bytes(data)
    page.set_input_files("#files", [tmp_path / "red_shoe.jpg", tmp_path / "broken.jpg"])
    expect(page.locator("#uploads-sum")).to_have_text("1 of 2 added, 1 failed")
    expect(page.locator("#grid .brief")).to_have_text("red shoe")
    expect(page.locator("#uploads-list li").first).to_contain_text("Not a PNG, JPEG or BMP")
    expect(page.locator("#count")).to_have_text("1 picture")
    page.set_input_files("#files", [tmp_path / "red_shoe.jpg"])
    expect(page.locator("#uploads-list")).to_contain_text("is in the library already")
    check_access(page)


def test_files_are_dropped_to_upload_them(page: Page, desk: Server) -> None:
    caller = desk.caller("similar")
    manager(page, caller, "similar", 0)
    drop(page, "body", picture(5), "blue_lamp.jpg")
    expect(page.locator("#grid .brief")).to_have_text("blue lamp")


def drop(page: Page, target: str, data: bytes, name: str) -> None:
    """Drop a file as a mouse would."""
    transfer = page.evaluate_handle(
        """([text, name]) => {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
            return transfer;
        }""",
        [base64.b64encode(data).decode(), name],
    )
    page.dispatch_event(target, "drop", {"dataTransfer": transfer})


def test_pictures_are_found_by_words_and_sign(page: Page, filled: Caller) -> None:
    manager(page, filled, "same_hq")
    page.locator("#words").fill("poster 7")
    expect(page.locator("#grid li")).to_have_count(1)
    page.locator("#grid .open").click()
    sign = page.locator("#sign").text_content()
    page.locator("#viewer-close").click()
    page.locator("#words").fill(sign or "")
    expect(page.locator("#grid .brief")).to_have_text(["poster 7"])
    page.locator("#words").fill("nothing like it")
    expect(page.locator("#nothing")).to_contain_text("Nothing is found")
    page.locator("#words").fill("")
    expect(page.locator("#grid li")).to_have_count(PICTURES)


def test_a_brief_is_edited_in_its_place(page: Page, fresh: Caller) -> None:
    manager(page, fresh, "similar")
    tile = page.locator("#grid li").nth(3)
    tile.locator(".open").focus()
    page.keyboard.press("F2")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("海报 8")
    with page.expect_response("**/pictures/*"):
        page.keyboard.press("Enter")
    expect(tile.locator(".brief")).to_have_text("海报 8")
    page.reload()
    expect(page.locator("#grid .brief").nth(3)).to_have_text("海报 8")


def test_details_are_changed_beside_the_picture(page: Page, fresh: Caller) -> None:
    manager(page, fresh, "similar")
    page.locator("#grid .open").first.click()
    viewer = page.get_by_role("dialog", name="Picture")
    expect(viewer.locator("#size")).to_contain_text("120 × 90")
    viewer.get_by_label("Tags").fill("100000")
    viewer.get_by_role("button", name="Save").click()
    expect(viewer.get_by_role("alert")).to_be_visible()
    viewer.get_by_label("Tags").fill("100,11")
    viewer.get_by_role("button", name="Save").click()
    expect(viewer.locator("#updated")).to_have_text("saved just now")
    page.keyboard.press("Escape")
    expect(page.locator("#grid li").first.locator(".chip")).to_have_text(["100", "11"])


def test_many_are_chosen_with_shift_and_deleted(page: Page, fresh: Caller) -> None:
    manager(page, fresh, "similar")
    boxes = page.locator("#grid .pick input")
    boxes.nth(2).click(force=True)
    boxes.nth(6).click(force=True, modifiers=["Shift"])
    expect(page.locator("#chosen-count")).to_have_text("5 chosen")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("5 pictures will be deleted")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast")).to_contain_text("Nothing was deleted")
    expect(page.locator("#grid li.leaving")).to_have_count(0)
    boxes.nth(0).click(force=True)
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#grid li")).to_have_count(PICTURES - 1)
    expect(page.locator("#count")).to_have_text(f"{PICTURES - 1} pictures")


def test_all_of_a_filter_are_given_tags(page: Page, fresh: Caller) -> None:
    manager(page, fresh, "similar")
    page.locator("#words").fill("poster 1")
    expect(page.locator("#grid li")).to_have_count(3)
    page.locator("#grid .open").first.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Choose all 3").click()
    expect(page.locator("#chosen-count")).to_have_text("3 chosen")
    page.get_by_role("button", name="Change tags").click()
    page.get_by_role("dialog").get_by_label("Tags").fill("42")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.locator("#grid .chip")).to_have_text(["42"] * 3)


def test_the_grid_is_walked_by_keys(page: Page, filled: Caller) -> None:
    manager(page, filled, "same_hq")
    page.locator("#grid .open").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#grid .open").nth(2)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#viewer textarea")).to_have_value(f"poster {PICTURES - 3}")
    page.locator("#viewer-close").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer textarea")).to_have_value(f"poster {PICTURES - 4}")
    page.keyboard.press("Escape")
    expect(page.locator("#grid .open").nth(3)).to_be_focused()


def test_a_part_of_a_photo_finds_its_picture_and_shows_why(
    page: Page, filled: Caller, tmp_path: Path
) -> None:
    manager(page, filled, "same_hq")
    photo = tmp_path / "photo.png"
    photo.write_bytes(encoded(scene(4)))
    page.set_input_files("#photo", photo)
    expect(page.locator("#found")).to_have_text("1 picture fits.")
    expect(page.locator("#grid .score")).to_have_text("1.000")
    canvas = page.locator("#crop")
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.8, steps=4)
    page.mouse.up()
    # The part is a picture of its own: found, and no longer as the very same one.
    expect(page.locator("#grid .score")).to_have_text(re.compile(r"^0\.[5-9]|^1\.000"))
    page.locator("#grid .open").first.click()
    page.get_by_role("button", name="What they share").click()
    expect(page.locator("#match-text")).to_contain_text("100 % of your picture")
    expect(page.locator("#match-view polygon")).to_have_count(2)
    assert page.locator("#match-view line").count() > 10
    page.locator("#lines").uncheck()
    expect(page.locator("#match-view line").first).to_be_hidden()
    check_access(page)


def test_a_picture_is_pasted_or_dropped_to_search_and_results_are_cut_by_score(
    page: Page, desk: Server
) -> None:
    caller = desk.caller("similar")
    strangers(desk, caller, 53)
    for seed in (7, 9):
        caller.call("similar", "add", image=picture(seed, 60, 60), brief=f"poster {seed}")
    manager(page, caller, "similar", 55)
    drop(page, "#find", picture(7, 60, 60), "query.jpg")
    expect(page.locator("#grid li")).to_have_count(50)
    expect(page.locator("#grid .brief").first).to_have_text("poster 7")
    page.get_by_role("button", name="More", exact=True).click()
    expect(page.locator("#grid li")).to_have_count(55)
    page.locator("#threshold").fill("0.99")
    expect(page.locator("#grid li:visible")).to_have_count(1)
    page.evaluate(
        """(text) => {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([bytes], "a.png", { type: "image/png" }));
            dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
        }""",
        base64.b64encode(encoded(scene(9, 60, 60))).decode(),
    )
    expect(page.locator("#grid .brief").first).to_have_text("poster 9")
    page.get_by_role("button", name="Back to all pictures").click()
    expect(page.locator("#query")).to_be_hidden()
    expect(page.locator("#grid .score")).to_have_count(0)


def test_buttons_wait_for_the_scripts_that_they_need(page: Page, desk: Server) -> None:
    caller = desk.caller("same_hq")
    held: list[Route] = []
    page.route(re.compile(r"/(duplicates|page)\.js$"), lambda route: held.append(route))
    place = f"libraries/{caller.app_id}/same_hq"
    for path, name in (
        (f"{place}/duplicates", "Look for duplicates"),
        (f"applications/{caller.app_id}", "Show"),
    ):
        page.goto(path, wait_until="commit")
        button = page.get_by_role("button", name=name, exact=True)
        expect(button).to_be_disabled()
        while held:
            held.pop().continue_()
        expect(button).to_be_enabled()
    page.unroute_all()


def test_duplicates_are_decided_by_keyboard_and_a_deletion_is_undone(
    page: Page, desk: Server
) -> None:
    caller = desk.caller("same_hq")
    for seed in (71, 72):
        caller.call("same_hq", "add", image=picture(seed), brief=f"whole {seed}")
        part = encoded(scene(seed)[10:310, 20:380], "JPEG", quality=60)
        caller.call("same_hq", "add", image=part, brief=f"part {seed}")
    manager(page, caller, "same_hq", 4)
    page.get_by_role("link", name="Duplicates").click()
    page.get_by_role("button", name="Look for duplicates").click()
    groups = page.locator("#groups > li:visible")
    expect(groups).to_have_count(2)
    expect(page.locator("#scanned")).to_contain_text("All pictures are compared")
    expect(groups.first.locator(".best")).to_contain_text("Best: most pixels")
    for theme in ("dark", "light"):
        page.emulate_media(color_scheme=theme)
        check_access(page)

    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowDown")
    expect(groups.first).to_be_focused()
    page.keyboard.press("Delete")
    expect(groups).to_have_count(1)
    expect(groups.first).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(groups).to_have_count(2)

    keep = groups.first.get_by_role("button", name="Keep this one: part 72")
    keep.focus()
    page.keyboard.press("Enter")
    expect(groups.first.locator(".best")).to_contain_text("part 72")
    expect(groups.first.locator(".best")).to_contain_text("you chose it")
    page.get_by_role("button", name="Not the same: part 71").press("Enter")
    expect(groups).to_have_count(1)
    page.reload()
    expect(groups).to_have_count(1)  # it is remembered

    manager(page, caller, "same_hq", 4)
    page.get_by_role("button", name="part 72", exact=True).click()
    page.get_by_role("link", name="1 more shows the same; this is the best").click()
    expect(groups).to_have_count(1)
    expect(page.get_by_role("link", name="All duplicates")).to_be_visible()


def strangers(desk: Server, caller: Caller, count: int, name: str = "stranger") -> None:
    """Pictures that no model has seen, stored before the server opens the library."""
    random = np.random.default_rng(0)
    with desk.office() as office:
        library = office.registry.get(caller.app_id, "similar")
        items = Items(office.database, library.id)
        for number in range(count):
            vector = random.normal(size=office.shelf.find(library.pack).dimension)
            vector /= np.linalg.norm(vector)
            items.insert(
                NewItem(
                    sign=ContSign(1, number),
                    brief=f"{name} {number}",
                    classes=(0, 0),
                    blob="",
                    media_type="image/png",
                    length=1,
                    width=120,
                    height=90,
                    vectors={library.pack: vector.astype(np.float32)},
                    keypoints=None,
                    sketch=None,
                    words=None,
                )
            )


def test_a_viewer_is_offered_no_change(desk: Server, browser: Browser, filled: Caller) -> None:
    with desk.office() as office:
        user = office.users.add("guest", PASSWORD, "viewer", [filled.app_id])
        token = office.sessions.open(user, "127.0.0.1", "test")
    with browser.new_context(base_url=f"{desk.address}/console/", locale="en-US") as context:
        cookie = {"name": "tusou_session", "value": token, "url": f"{desk.address}/console/"}
        context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        manager(page, filled, "same_hq")
        for name in ("Upload", "Delete", "Change tags"):
            expect(page.get_by_role("button", name=name)).to_have_count(0)
        expect(page.locator("#grid .pick")).to_have_count(0)
        page.locator("#grid .open").first.click()
        expect(page.get_by_role("button", name="Save")).to_have_count(0)


@pytest.mark.parametrize(
    "path",
    [
        *("libraries", "applications", "account", "manager", "duplicates", "usage", "try"),
        *("plans", "plans/limits/personal", "users"),
    ],
)
def test_nothing_is_wider_than_a_phone(page: Page, filled: Caller, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    inner = {"manager": "libraries/{}/same_hq", "usage": "usage/{}", "try": "try/{}/same_hq/add"}
    inner |= {"plans": "plans/{}", "duplicates": "libraries/{}/same_hq/duplicates"}
    page.goto(inner[path].format(filled.app_id) if path in inner else path)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
