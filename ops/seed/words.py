"""The names and texts that seeded data is made of."""

FIRST = (
    *("Ada", "Ahmed", "Aiko", "Alice", "Amara", "André", "Anna", "Beatriz", "Ben", "Carlos", "Chiara", "Chloé"),
    *("Clara", "Daniel", "David", "Elena", "Elif", "Emma", "Eun-ji", "Fatima", "Felix", "Finn", "Freja"),
    *("Gabriel", "Giulia", "Hannah", "Haruto", "Hugo", "Ibrahim", "Ines", "Isabella", "Ivan", "Jakub", "James"),
    *("Jana", "Javier", "Jin", "João", "José", "Julia", "Kaito", "Karin", "Kofi", "Lars", "Laura", "Leila"),
    *("Léa", "Liam", "Lina", "Luca", "Łukasz", "Mai", "Marek", "María", "Marta", "Mateo", "Maya", "Mei", "Mia"),
    *("Mohamed", "Nadia", "Nina", "Noah", "Nour", "Olga", "Oliver", "Omar", "Oscar", "Pablo", "Paula", "Petra"),
    *("Priya", "Rahul", "Ravi", "Rosa", "Sara", "Sofia", "Søren", "Tariq", "Thanh", "Theo", "Tomás", "Ulrike"),
    *("Vera", "Wei", "Yara", "Yuki", "Zoë", "Žofia"),
)
LAST = (
    *("Abe", "Ali", "Almeida", "Andersson", "Bakker", "Bauer", "Berg", "Bianchi", "Brown", "Chen", "Cohen"),
    *("Costa", "Demir", "Diallo", "Dubois", "Evans", "Fernández", "Fischer", "García", "Gómez", "Gupta"),
    *("Haddad", "Hansen", "Hoffmann", "Horvat", "Ivanova", "Jensen", "Johnson", "Jones", "Kaya", "Khan", "Kim"),
    *("Kowalski", "Kumar", "Larsen", "Lee", "Lindqvist", "López", "Martin", "Mensah", "Meyer", "Moreau"),
    *("Müller", "Murphy", "Nakamura", "Nguyen", "Novák", "O'Brien", "Okafor", "Olsen", "Park", "Patel"),
    *("Pereira", "Petrov", "Popescu", "Rossi", "Sato", "Schmidt", "Silva", "Singh", "Smith", "Suzuki"),
    *("Tanaka", "Taylor", "Tran", "Wagner", "Wang", "Weber", "Williams", "Wójcik", "Yamamoto", "Yilmaz"),
    *("Zhang", "Zhou", "Šimić"),
)
AGENTS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari",
)
PLANS = ("free", "pro", "pro", "team")
STATUSES = ("active", "active", "active", "active", "active", "trialing", "past_due", "canceled")
NOTICES = (
    ("comments", "New comment", "{name} commented on your document."),
    ("billing", "Invoice paid", "Thank you. Your invoice is paid."),
    ("news", "What is new", "Read what changed this week."),
    ("team", "Invitation", "{name} invited you to a team."),
    ("account.new-sign-in", "New sign-in", "Someone signed in to your account from a new device."),
)
REQUESTS = (
    ("GET", "/v1/me", 200, "info"),
    ("GET", "/v1/notifications", 200, "info"),
    ("GET", "/api/auth/get-session", 200, "info"),
    ("POST", "/api/auth/sign-in/email", 200, "info"),
    ("POST", "/api/auth/sign-in/email", 401, "warning"),
    ("GET", "/v1/me/subscription", 503, "error"),
)
