package main

// people share a language. A name is written in its script, then in letters that a uid may have.
type people struct {
	code          string
	familyFirst   bool
	space         string
	given, family []string
	says          []string
}

var peoples = []people{
	{code: "en", given: []string{"Ada|ada", "Grace|grace", "Alan|alan", "Barbara|barbara", "Edsger|edsger", "Radia|radia", "Ken|ken", "Margaret|margaret"},
		family: []string{"Lovell|lovell", "Hopwood|hopwood", "O'Neil|oneil", "Turney|turney", "Smith-Jones|smith-jones", "MacLeod|macleod"},
		says:   []string{"Out for lunch", "Heads down until 3 pm", "On call this week", "\"Done is better than perfect\""}},
	{code: "fr", given: []string{"Émile|emile", "Zoé|zoe", "Chloë|chloe", "François|francois", "Hélène|helene", "Léo|leo"},
		family: []string{"Dupré|dupre", "Lefèvre|lefevre", "D'Artois|dartois", "Noël|noel", "Garçon|garcon"}, says: []string{"À bientôt", "En réunion", "Ça marche !"}},
	{code: "de", given: []string{"Jürgen|juergen", "Käthe|kaethe", "Björn|bjoern", "Ute|ute", "Änne|aenne"},
		family: []string{"Groß|gross", "Müller|mueller", "von Weiß|von-weiss", "Schäfer|schaefer"}, says: []string{"Im Urlaub", "Homeoffice", "Gleich zurück"}},
	{code: "es", given: []string{"José|jose", "Íñigo|inigo", "María|maria", "Begoña|begona", "Ángel|angel"},
		family: []string{"Núñez|nunez", "de la Peña|de-la-pena", "Ibáñez|ibanez", "García|garcia"}, says: []string{"¡Vamos!", "De vacaciones", "Mañana, mañana"}},
	{code: "pl", given: []string{"Łukasz|lukasz", "Żaneta|zaneta", "Świętosław|swietoslaw", "Małgorzata|malgorzata"},
		family: []string{"Wójcik|wojcik", "Dąbrowski|dabrowski", "Żak|zak"}, says: []string{"Zaraz wracam", "Zajęty"}},
	{code: "tr", given: []string{"İpek|ipek", "Çağla|cagla", "Ömer|omer", "Işık|isik"}, family: []string{"Yılmaz|yilmaz", "Öztürk|ozturk", "Şahin|sahin"}, says: []string{"Meşgul", "Görüşürüz"}},
	{code: "vi", familyFirst: true, space: " ", given: []string{"Thị Hương|thi-huong", "Văn Đức|van-duc", "Quỳnh|quynh"},
		family: []string{"Nguyễn|nguyen", "Trần|tran", "Đặng|dang"}, says: []string{"Đang bận", "Cà phê nhé?"}},
	{code: "ru", given: []string{"Иван|ivan", "Ольга|olga", "Фёдор|fyodor", "Юлия|yulia", "Михаил|mikhail"},
		family: []string{"Петров|petrov", "Щукина|shchukina", "Королёв|korolyov"}, says: []string{"В отпуске", "На встрече", "Скоро буду"}},
	{code: "el", given: []string{"Σοφία|sofia", "Γιώργος|giorgos", "Ελένη|eleni"}, family: []string{"Παππάς|pappas", "Οικονόμου|oikonomou"}, says: []string{"Καλημέρα", "Επιστρέφω αμέσως"}},
	{code: "ka", given: []string{"ნინო|nino", "გიორგი|giorgi", "თამარ|tamar"}, family: []string{"ბერიძე|beridze", "კაპანაძე|kapanadze"}, says: []string{"დაკავებული ვარ"}},
	{code: "ar", given: []string{"علي|ali", "فاطمة|fatima", "ليلى|layla", "يوسف|yusuf"}, family: []string{"حداد|haddad", "النجار|al-najjar"}, says: []string{"في اجتماع", "أهلا وسهلا"}},
	{code: "he", given: []string{"שרה|sara", "דוד|david", "נועה|noa"}, family: []string{"לוי|levi", "כהן|cohen"}, says: []string{"בפגישה", "תכף חוזר"}},
	{code: "hi", given: []string{"अनिता|anita", "राज|raj", "प्रिया|priya"}, family: []string{"शर्मा|sharma", "वर्मा|varma"}, says: []string{"बैठक में", "जल्दी लौटूँगा"}},
	{code: "th", given: []string{"สมชาย|somchai", "มาลี|malee"}, family: []string{"ศรีสุข|srisuk", "ทองดี|thongdee"}, says: []string{"กำลังประชุม"}},
	{code: "zh", familyFirst: true, given: []string{"小明|xiaoming", "芳|fang", "伟|wei", "秀英|xiuying"}, family: []string{"王|wang", "李|li", "欧阳|ouyang"}, says: []string{"开会中", "马上回来", "加油！"}},
	{code: "ja", familyFirst: true, space: " ", given: []string{"さくら|sakura", "太郎|taro", "ゆい|yui"}, family: []string{"山田|yamada", "佐藤|sato", "高橋|takahashi"}, says: []string{"会議中", "すぐ戻ります", "がんばろう"}},
	{code: "ko", familyFirst: true, given: []string{"민준|minjun", "서연|seoyeon", "지우|jiwoo"}, family: []string{"김|kim", "박|park", "최|choi"}, says: []string{"회의 중", "곧 돌아올게요"}},
}

var (
	emoji     = []string{"🚀", "🌻", "🎉", "🦊", "☕", "🧗🏽", "👩‍💻", "🇧🇷", "❤️‍🔥", "🐙"}
	cities    = []string{"berlin", "lagos", "São Paulo", "東京", "toronto", "mumbai", "Zürich", "北京", "nairobi", "lisbon"}
	interests = []string{"chess", "hiking", "jazz", "climbing", "Go", "photography", "board games", "cooking", "🎸 guitar", "sailing", "beta-tester", "night owl"}
)
