package main

// script is a writing system with some of its names, by the place they take in a full name. The weights, in percent, are
// those of a service with users all over the world.
type script struct {
	weight      int
	space       string
	first, last []string
}

var scripts = []script{
	{46, " ", []string{"Anna", "Ben", "Carla", "David", "Elena", "Felix", "Grace", "Henry", "Ingrid", "João", "Karin", "Lucas",
		"María", "Noah", "Olga", "Peter", "Quentin", "Rosa", "Samuel", "Tomás"},
		[]string{"Andersson", "Brown", "Costa", "Dupont", "Evans", "Ferrari", "García", "Hoffmann", "Ivić", "Jones", "Kowalski",
			"López", "Müller", "Novák", "O'Brien", "Pereira", "Rossi", "Smith", "Taylor", "Øvergård"}},
	{12, " ", []string{"Анна", "Борис", "Виктор", "Галина", "Дмитрий", "Елена", "Иван", "Ольга"},
		[]string{"Волков", "Зайцева", "Иванов", "Ковальчук", "Лебедев", "Петренко", "Соколова", "Шевченко"}},
	{12, "", []string{"王", "李", "张", "刘", "陈", "杨", "赵", "黄"},
		[]string{"伟", "芳", "娜", "敏", "静", "强", "磊", "洋"}},
	{8, " ", []string{"محمد", "فاطمة", "أحمد", "عائشة", "علي", "مريم", "يوسف", "ليلى"},
		[]string{"الهاشمي", "المصري", "النجار", "حداد", "خوري", "العلي", "منصور", "صالح"}},
	{7, " ", []string{"आरव", "अनन्या", "दिया", "ईशान", "काव्या", "रोहन", "प्रिया", "विवान"},
		[]string{"शर्मा", "वर्मा", "गुप्ता", "सिंह", "पटेल", "जोशी", "मेहता", "रेड्डी"}},
	{5, "", []string{"김", "이", "박", "최", "정", "강"}, []string{"민준", "서연", "도윤", "지우", "하준", "서현"}},
	{4, "", []string{"佐藤", "鈴木", "高橋", "田中", "伊藤", "渡辺"}, []string{"さくら", "はると", "ゆい", "そうた", "ひなた", "りこ"}},
	{2, " ", []string{"Γιώργος", "Μαρία", "Νίκος", "Ελένη"}, []string{"Παπαδόπουλος", "Νικολάου", "Γεωργίου", "Δημητρίου"}},
	{2, " ", []string{"דוד", "שרה", "יעקב", "רחל"}, []string{"כהן", "לוי", "מזרחי", "פרץ"}},
	{1, " ", []string{"สมชาย", "สุดา", "อนันต์", "มาลี"}, []string{"ใจดี", "ศรีสุข", "ทองดี", "แสงทอง"}},
	{1, " ", []string{"გიორგი", "ნინო", "დავით", "მარიამ"}, []string{"ბერიძე", "მაისურაძე", "გელაშვილი", "კაპანაძე"}},
}

var moods = []string{
	"At work until six, write me anyway", "On the road, answers may take a while", "🏖️ back on Monday", "In einer Besprechung",
	"Só mensagens urgentes, por favor", "На совещании, перезвоню позже", "电话会议中，请留言", "في اجتماع حتى الظهر", "बाद में बात करते हैं", "",
}
